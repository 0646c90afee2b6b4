package e2e

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	lksdk "github.com/livekit/server-sdk-go/v2"
)

const (
	// How long anything that is waited for may take.
	patience = time.Minute
)

var (
	apiKey    = env("TUTTI_API_KEY", "devkey")
	apiSecret = env("TUTTI_API_SECRET", "secret")
	serverURL = strings.TrimSuffix(env("TUTTI_URL", "http://127.0.0.1:7880"), "/")
)

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

var rooms atomic.Int32

// newRoom names a room that no other test and no earlier run uses.
func newRoom(topic string) string {
	return fmt.Sprintf("go-%s-%d-%d-%d", topic, os.Getpid(), time.Now().UnixMilli(), rooms.Add(1))
}

// inBothModes runs a test with one peer connection for each client and with two.
func inBothModes(t *testing.T, test func(t *testing.T, mode ...lksdk.ConnectOption)) {
	t.Run("single", func(t *testing.T) { test(t, lksdk.WithSinglePeerConnection()) })
	t.Run("dual", func(t *testing.T) { test(t) })
}

type data struct {
	payload, topic, from string
}

type muted struct {
	sid   string
	muted bool
}

// person is a participant whose events wait in channels until a test takes them.
type person struct {
	*lksdk.Room
	t            *testing.T
	data         chan data
	streams      chan *stream
	came, left   chan string
	mutes        chan muted
	reconnected  chan struct{}
	disconnected chan lksdk.DisconnectionReason
	metadata     chan string
}

func join(t *testing.T, room, identity string, options ...lksdk.ConnectOption) *person {
	t.Helper()
	p := &person{
		t:            t,
		data:         make(chan data, 1_000),
		streams:      make(chan *stream, 10),
		came:         make(chan string, 10),
		left:         make(chan string, 10),
		mutes:        make(chan muted, 10),
		reconnected:  make(chan struct{}, 10),
		disconnected: make(chan lksdk.DisconnectionReason, 10),
		metadata:     make(chan string, 10),
	}
	mute := func(isMuted bool) func(lksdk.TrackPublication, lksdk.Participant) {
		return func(publication lksdk.TrackPublication, _ lksdk.Participant) {
			p.mutes <- muted{publication.SID(), isMuted}
		}
	}
	callback := &lksdk.RoomCallback{
		OnParticipantConnected:    func(other *lksdk.RemoteParticipant) { p.came <- other.Identity() },
		OnParticipantDisconnected: func(other *lksdk.RemoteParticipant) { p.left <- other.Identity() },
		OnReconnected:             func() { p.reconnected <- struct{}{} },
		OnDisconnectedWithReason:  func(reason lksdk.DisconnectionReason) { p.disconnected <- reason },
		OnRoomMetadataChanged:     func(text string) { p.metadata <- text },
		ParticipantCallback: lksdk.ParticipantCallback{
			OnTrackMuted:   mute(true),
			OnTrackUnmuted: mute(false),
			OnTrackSubscribed: func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, other *lksdk.RemoteParticipant) {
				p.streams <- read(track, other, func() { p.askForKeyFrame(track.SSRC()) })
			},
			OnDataPacket: func(packet lksdk.DataPacket, params lksdk.DataReceiveParams) {
				if user, ok := packet.(*lksdk.UserDataPacket); ok {
					p.data <- data{string(user.Payload), user.Topic, params.SenderIdentity}
				}
			},
		},
	}
	options = append(options, lksdk.WithConnectTimeout(patience))
	joined, err := lksdk.ConnectToRoom(serverURL, lksdk.ConnectInfo{
		APIKey: apiKey, APISecret: apiSecret, RoomName: room, ParticipantIdentity: identity, ParticipantName: identity,
	}, callback, options...)
	if err != nil {
		t.Fatalf("%s joins: %v", identity, err)
	}
	p.Room = joined
	t.Cleanup(joined.Disconnect)
	return p
}

// pair gives Ada and Bo in one room, each aware of the other.
func pair(t *testing.T, topic string, options ...lksdk.ConnectOption) (ada, bo *person) {
	t.Helper()
	room := newRoom(topic)
	ada = join(t, room, "ada", options...)
	bo = join(t, room, "bo", options...)
	expect(t, "bo comes", ada.came, func(who string) bool { return who == "bo" })
	eventually(t, "bo sees ada", func() bool { return bo.GetParticipantByIdentity("ada") != nil })
	greet(t, ada, bo)
	greet(t, bo, ada)
	return ada, bo
}

// greet says hello until it is heard: what is said before the other's channels are open is not for it.
func greet(t *testing.T, from, to *person) {
	t.Helper()
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	late := time.After(patience)
	for {
		select {
		case <-ticks.C:
			from.send("hello", "greeting", true)
		case got := <-to.data:
			if got.topic == "greeting" {
				return
			}
		case <-late:
			t.Fatalf("%s does not hear %s", to.LocalParticipant.Identity(), from.LocalParticipant.Identity())
		}
	}
}

// onTopic fits messages of that topic.
func onTopic(topic string) func(data) bool {
	return func(got data) bool { return got.topic == topic }
}

func (p *person) publish(f format) *lksdk.LocalTrackPublication {
	p.t.Helper()
	track, err := newTrack(f)
	if err != nil {
		p.t.Fatal(err)
	}
	options := &lksdk.TrackPublicationOptions{Name: f.codec.MimeType}
	if track.Kind() == webrtc.RTPCodecTypeVideo {
		options.VideoWidth, options.VideoHeight = 320, 180
	}
	publication, err := p.LocalParticipant.PublishTrack(track, options)
	if err != nil {
		p.t.Fatalf("publishing %s: %v", f.codec.MimeType, err)
	}
	return publication
}

// askForKeyFrame sends a PLI. `RemoteParticipant.WritePLI` sends none where there is one peer connection (2.19.0).
func (p *person) askForKeyFrame(of webrtc.SSRC) {
	connection := p.LocalParticipant.GetSubscriberPeerConnection()
	if connection == nil {
		connection = p.LocalParticipant.GetPublisherPeerConnection()
	}
	_ = connection.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{SenderSSRC: uint32(of), MediaSSRC: uint32(of)}})
}

// stream waits for the subscribed track of that format.
func (p *person) stream(f format) *stream {
	p.t.Helper()
	return expect(p.t, "a track of "+f.codec.MimeType, p.streams, func(s *stream) bool { return s.format.codec.MimeType == f.codec.MimeType })
}

// send publishes one message of the application.
func (p *person) send(payload, topic string, reliable bool, to ...string) {
	p.t.Helper()
	packet := &lksdk.UserDataPacket{Payload: []byte(payload), Topic: topic}
	options := []lksdk.DataPublishOption{lksdk.WithDataPublishReliable(reliable), lksdk.WithDataPublishDestination(to)}
	if err := p.LocalParticipant.PublishDataPacket(packet, options...); err != nil {
		p.t.Fatalf("sending %q: %v", payload, err)
	}
}

// expect takes from a channel until something fits.
func expect[T any](t *testing.T, what string, from <-chan T, fits func(T) bool) T {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case value := <-from:
			if fits(value) {
				return value
			}
		case <-late:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func any_[T any](T) bool { return true }

// eventually asks again and again, for what the SDK tells by no event.
func eventually(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	late := time.After(patience)
	for !isSo() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-late:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
