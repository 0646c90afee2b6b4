package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	lksdk "github.com/livekit/server-sdk-go/v2"
)

// A format of numbered samples: every receiver can tell which one it got, and whether each byte of it is right. They bear
// the headers that a server reads, and are no pictures.
type format struct {
	codec    webrtc.RTPCodecCapability
	duration time.Duration
	// The sample of that number, as a whole.
	make func(number int, key bool) []byte
	// Number and kind of a sample that came.
	read func(sample []byte) (number int, key bool, err error)
	// Takes packets apart again.
	depacketizer func() rtp.Depacketizer
}

var (
	vp8 = format{
		codec:        webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90_000},
		duration:     time.Second / 30,
		make:         makeVP8,
		read:         readVP8,
		depacketizer: func() rtp.Depacketizer { return &codecs.VP8Packet{} },
	}
	h264 = format{
		codec: webrtc.RTPCodecCapability{
			MimeType:    webrtc.MimeTypeH264,
			ClockRate:   90_000,
			SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
		},
		duration:     time.Second / 30,
		make:         makeH264,
		read:         readH264,
		depacketizer: func() rtp.Depacketizer { return &codecs.H264Packet{} },
	}
	opus = format{
		codec:        webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48_000, Channels: 2},
		duration:     20 * time.Millisecond,
		make:         makeOpus,
		read:         readOpus,
		depacketizer: func() rtp.Depacketizer { return &codecs.OpusPacket{} },
	}
)

// filler gives what follows the headers of a sample: its number in digits, then bytes that follow from the number. No byte
// is zero, so that nothing looks like a start code.
func filler(number, bytes int) []byte {
	text := fmt.Appendf(nil, "%09d", number)
	chance := rand.New(rand.NewSource(int64(number)))
	for len(text) < bytes {
		text = append(text, byte(1+chance.Intn(255)))
	}
	return text
}

// size lets key frames take several packets and others one to three.
func size(number int, key bool) int {
	if key {
		return 9_000
	}
	return 100 + number*37%3_000
}

// makeVP8 writes a frame with the header of RFC 6386, section 9.1.
func makeVP8(number int, key bool) []byte {
	body := filler(number, size(number, key))
	tag := uint32(len(body))<<5 | 1<<4
	if !key {
		tag |= 1
	}
	head := binary.LittleEndian.AppendUint32(nil, tag)[:3]
	if key {
		head = append(head, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00) // 320 by 180
	}
	return append(head, body...)
}

func readVP8(sample []byte) (int, bool, error) {
	key := len(sample) > 0 && sample[0]&1 == 0
	head := 3
	if key {
		head = 10
	}
	return readNumber(sample, head, key)
}

var (
	parameterSets = []byte{
		0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x95, 0xa0, 0x50, 0x5b, 0x91, // a sequence: constrained baseline, 3.1
		0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, // a picture
	}
	slice    = []byte{0, 0, 0, 1, 0x41, 0x9a}
	keySlice = []byte{0, 0, 0, 1, 0x65, 0x88}
)

// makeH264 writes an access unit of one slice as ITU-T H.264, annex B, has it.
func makeH264(number int, key bool) []byte {
	var unit []byte
	if key {
		unit = append(append(unit, parameterSets...), keySlice...)
	} else {
		unit = append(unit, slice...)
	}
	return append(unit, filler(number, size(number, key))...)
}

func readH264(sample []byte) (int, bool, error) {
	key := bytes.HasPrefix(sample, parameterSets)
	head := len(slice)
	if key {
		head += len(parameterSets)
	}
	return readNumber(sample, head, key)
}

// makeOpus writes a packet of one frame of 20 ms (RFC 6716, section 3.1). Each can be heard without another.
func makeOpus(number int, _ bool) []byte {
	return append([]byte{0x78}, filler(number, 80)...)
}

func readOpus(sample []byte) (int, bool, error) {
	return readNumber(sample, 1, true)
}

func readNumber(sample []byte, head int, key bool) (int, bool, error) {
	if len(sample) < head+9 {
		return 0, key, fmt.Errorf("a sample of %d bytes", len(sample))
	}
	number, err := strconv.Atoi(string(sample[head : head+9]))
	return number, key, err
}

// source makes the samples of one track: a key frame comes first, and whenever one is asked for.
type source struct {
	lksdk.BaseSampleProvider
	format format
	number int
	asked  atomic.Bool
}

func (s *source) NextSample(context.Context) (media.Sample, error) {
	key := s.number == 0 || s.asked.Swap(false)
	data := s.format.make(s.number, key)
	s.number++
	return media.Sample{Data: data, Duration: s.format.duration}, nil
}

func (s *source) onRTCP(packet rtcp.Packet) {
	switch packet.(type) {
	case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
		s.asked.Store(true)
	}
}

// newTrack gives a track that writes samples of that format as soon as it is bound.
func newTrack(f format) (*lksdk.LocalTrack, error) {
	from := &source{format: f}
	track, err := lksdk.NewLocalTrack(f.codec, lksdk.WithRTCPHandler(from.onRTCP))
	if err != nil {
		return nil, err
	}
	track.OnBind(func() { _ = track.StartWrite(from, nil) })
	return track, nil
}
