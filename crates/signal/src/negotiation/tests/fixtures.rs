//! Offers and answers of real clients.

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../sdp/tests/fixtures/", $name, ".sdp"))
    };
}

pub(super) const CHROME_SINGLE: &str = fixture!("chrome_single_offer");
pub(super) const CHROME_SINGLE_PUBLISH: &str = fixture!("chrome_single_publish_offer");
pub(super) const CHROME_VP8: &str = fixture!("chrome_publish_vp8_offer");
pub(super) const CHROME_H264: &str = fixture!("chrome_publish_h264_offer");
pub(super) const CHROME_VP9: &str = fixture!("chrome_publish_vp9_svc_offer");
pub(super) const CHROME_AV1: &str = fixture!("chrome_publish_av1_svc_offer");
pub(super) const CHROME_DATA: &str = fixture!("chrome_data_offer");
/// To an offer of RED+Opus, VP8, VP9+VP8, H.264, AV1, H.265 and Opus.
pub(super) const CHROME_ANSWER: &str = fixture!("chrome_subscriber_answer");
pub(super) const FIREFOX: &str = fixture!("firefox_publish_offer");
pub(super) const FIREFOX_SINGLE: &str = fixture!("firefox_single_offer");
pub(super) const LIBWEBRTC: &str = fixture!("libwebrtc_publish_offer");
pub(super) const LIBWEBRTC_SINGLE: &str = fixture!("libwebrtc_single_offer");
pub(super) const PION: &str = fixture!("pion_publish_offer");
/// To the same offer as [`CHROME_ANSWER`].
pub(super) const PION_ANSWER: &str = fixture!("pion_subscriber_answer");
pub(super) const SAFARI: &str = fixture!("safari_publish_offer");
