//! One measurement: a room, a sender, receivers, and a number of bytes.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use livekit_protocol as proto;
use prost::Message as _;
use tutti_client::{Channel, Client, Endpoint, JoinOptions};
use tutti_token::{Claims, Keys, Secret, TTL_DEFAULT};

use crate::server::Server;

/// Payload of one message, bytes: what SDKs cut streams into.
const MESSAGE: usize = 15_000;

/// Bytes that the sender keeps ready.
const READY: u64 = 2_000_000;

/// How long the slowest may take.
const WITHIN: Duration = Duration::from_secs(120);

/// What came of it.
pub(crate) struct Outcome {
    /// From the first message until the last receiver has the last one.
    pub(crate) seconds: f64,
    /// Messages that receivers did not get.
    pub(crate) lost: u64,
}

/// Sends `bytes` to each of so many receivers, and waits until all have them.
pub(crate) async fn transfer(server: &Server, receivers: usize, bytes: u64) -> Result<Outcome, Box<dyn Error>> {
    static ROOMS: AtomicU64 = AtomicU64::new(0);
    let room = format!("data-{}", ROOMS.fetch_add(1, Ordering::Relaxed));
    let endpoint = Endpoint::new()?;
    let keys = Keys::one("devkey", Secret::new("secret"));
    let mut clients = Vec::new();
    for number in 0..=receivers {
        let claims = Claims::join(room.clone(), format!("client-{number}"));
        let token = keys.sign("devkey", &claims, SystemTime::now(), TTL_DEFAULT)?;
        clients.push(Client::join(&endpoint, JoinOptions::new(server.url()?, token)).await?);
    }
    let (sender, receivers) = clients.split_first().ok_or("nobody is there")?;
    // Data for somebody whose channels are not open yet may be late: everyone has heard something first.
    let mut greetings = 0_u64;
    while !receivers.iter().all(|receiver| receiver.look(|figures| figures.received.messages > 0)) {
        sender.send(Channel::Reliable, message(1));
        greetings += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
        if greetings > 100 {
            return Err("the receivers hear nothing".into());
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let heard: Vec<u64> = receivers.iter().map(|receiver| receiver.look(|figures| figures.received.messages)).collect();

    let count = bytes / MESSAGE as u64;
    let message = message(MESSAGE);
    let began = Instant::now();
    for number in 0..count {
        // A few at a time, since a call takes orders when it looks.
        if number % 16 == 0 {
            sender.until(|figures| figures.sent.data_waiting < READY).await?;
        }
        sender.send_when_free(Channel::Reliable, message.clone()).await?;
    }
    let mut lost = 0;
    for (receiver, heard) in receivers.iter().zip(heard) {
        let whole = receiver.until(|figures| figures.received.messages >= heard + count);
        if tokio::time::timeout(WITHIN.saturating_sub(began.elapsed()), whole).await.is_err() {
            lost += heard + count - receiver.look(|figures| figures.received.messages);
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    for client in clients {
        client.leave().await.1?;
    }
    Ok(Outcome { seconds, lost })
}

fn message(bytes: usize) -> Vec<u8> {
    let user = proto::UserPacket { payload: vec![7; bytes], ..Default::default() };
    proto::DataPacket { value: Some(proto::data_packet::Value::User(user)), ..Default::default() }.encode_to_vec()
}
