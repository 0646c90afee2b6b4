package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media/samplebuilder"

	lksdk "github.com/livekit/server-sdk-go/v2"
)

// Packets that may be missing behind the newest one before a sample is given up: retransmissions have time to come.
const packetsLate = 300

// stream is a subscribed track that is read from its first packet on, whoever waits for it.
type stream struct {
	format format
	from   *lksdk.RemoteParticipant
	// Samples that came from the first whole key frame on, in their order, each byte as it was sent. Some may be lost on the
	// way where a reader is starved of its processor.
	whole atomic.Int64
	// The first sample that was not what was sent.
	wrong atomic.Pointer[string]
}

func read(track *webrtc.TrackRemote, from *lksdk.RemoteParticipant, askForKeyFrame func()) *stream {
	s := &stream{from: from}
	for _, f := range []format{opus, vp8, h264} {
		if strings.EqualFold(f.codec.MimeType, track.Codec().MimeType) {
			s.format = f
		}
	}
	if s.format.read == nil {
		text := "a track of " + track.Codec().MimeType
		s.wrong.Store(&text)
		return s
	}
	go s.run(track, askForKeyFrame)
	return s
}

func (s *stream) run(track *webrtc.TrackRemote, askForKeyFrame func()) {
	builder := samplebuilder.New(packetsLate, s.format.depacketizer(), s.format.codec.ClockRate)
	last := -1
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if len(packet.Payload) == 0 {
			continue // Padding.
		}
		builder.Push(packet)
		for sample := builder.Pop(); sample != nil; sample = builder.Pop() {
			number, key, err := s.format.read(sample.Data)
			isRight := err == nil && bytes.Equal(sample.Data, s.format.make(number, key))
			switch {
			case last < 0 && !(isRight && key):
				askForKeyFrame() // The SDK hands tracks over late, and what came before may be lost.
				continue
			case !isRight:
				text := fmt.Sprintf("sample %d (%d bytes) after %d is not what was sent: %v", number, len(sample.Data), last, err)
				s.wrong.CompareAndSwap(nil, &text)
				return
			case number <= last:
				text := fmt.Sprintf("sample %d comes after %d", number, last)
				s.wrong.CompareAndSwap(nil, &text)
				return
			}
			last = number
			s.whole.Add(1)
		}
	}
}

// brings waits for so many more samples.
func (s *stream) brings(t *testing.T, count int64) {
	t.Helper()
	wanted := s.whole.Load() + count
	eventually(t, fmt.Sprintf("%d more samples of %s", count, s.format.codec.MimeType), func() bool {
		if wrong := s.wrong.Load(); wrong != nil {
			t.Fatalf("%s: %s", s.format.codec.MimeType, *wrong)
		}
		return s.whole.Load() >= wanted
	})
}
