// Package e2e drives the published Go SDK (pion) against a running server.
package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
)

var formats = []format{opus, vp8, h264}

func TestMedia(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode ...lksdk.ConnectOption) {
		ada, bo := pair(t, "media", mode...)
		for _, f := range formats {
			ada.publish(f)
			bo.publish(f)
		}
		for _, watcher := range []*person{ada, bo} {
			kinds := map[string]*stream{}
			for range formats {
				s := expect(t, "a track of the other", watcher.streams, any_)
				s.brings(t, 60)
				kinds[s.format.codec.MimeType] = s
			}
			if len(kinds) != len(formats) {
				t.Fatalf("tracks of %d formats came, of %d", len(kinds), len(formats))
			}
		}
		// Who comes later begins with a key frame, which is asked for.
		cleo := join(t, ada.Name(), "cleo", mode...)
		for range 2 * len(formats) {
			expect(t, "the tracks that were there", cleo.streams, any_).brings(t, 30)
		}
	})
}

func TestMuteAndUnpublish(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode ...lksdk.ConnectOption) {
		ada, bo := pair(t, "mute", mode...)
		publication := ada.publish(opus)
		got := bo.stream(opus)
		for _, is := range []bool{true, false} {
			publication.SetMuted(is)
			expect(t, "a mute", bo.mutes, func(m muted) bool { return m == muted{publication.SID(), is} })
		}
		got.brings(t, 30)
		if err := ada.LocalParticipant.UnpublishTrack(publication.SID()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the track is gone", func() bool { return len(got.from.TrackPublications()) == 0 })
	})
}

func TestData(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode ...lksdk.ConnectOption) {
		ada, bo := pair(t, "data", mode...)
		t.Run("reliable, whole and in order", func(t *testing.T) {
			for from, to := range map[*person]*person{ada: bo, bo: ada} {
				sender := from.LocalParticipant.Identity()
				filler := strings.Repeat("x", 10_000)
				for i := range 200 {
					from.send(fmt.Sprintf("%d %s", i, filler), "order", true)
				}
				for i := range 200 {
					got := expect(t, "a message", to.data, onTopic("order"))
					if want := (data{fmt.Sprintf("%d %s", i, filler), "order", sender}); got != want {
						t.Fatalf("message %d is %.20q of %s on %s", i, got.payload, got.from, got.topic)
					}
				}
			}
		})
		t.Run("lossy", func(t *testing.T) {
			for from, to := range map[*person]*person{ada: bo, bo: ada} {
				// One may be lost, so it is said until it is heard.
				ticks := time.NewTicker(50 * time.Millisecond)
				defer ticks.Stop()
				late := time.After(patience)
				for isHeard := false; !isHeard; {
					select {
					case <-ticks.C:
						from.send("tick", "lossy", false)
					case got := <-to.data:
						isHeard = got == data{"tick", "lossy", from.LocalParticipant.Identity()}
					case <-late:
						t.Fatal("no lossy message came")
					}
				}
			}
		})
		t.Run("for one alone", func(t *testing.T) {
			cleo := join(t, ada.Name(), "cleo", mode...)
			eventually(t, "ada sees cleo", func() bool { return ada.GetParticipantByIdentity("cleo") != nil })
			ada.send("for bo", "one", true, "bo")
			ada.send("for all", "one", true)
			expect(t, "the message for bo", bo.data, func(got data) bool { return got.payload == "for bo" })
			// Reliable messages keep their order: what was not for Cleo would have come before.
			if got := expect(t, "a message", cleo.data, onTopic("one")); got.payload != "for all" {
				t.Fatalf("cleo got %q", got.payload)
			}
		})
	})
}

func TestStreamsAndCalls(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode ...lksdk.ConnectOption) {
		ada, bo := pair(t, "streams", mode...)
		text := strings.Repeat("a long text, 好吗? ", 5_000)
		texts := make(chan string, 1)
		if err := bo.RegisterTextStreamHandler("letters", func(reader *lksdk.TextStreamReader, _ string) {
			texts <- reader.ReadAll()
		}); err != nil {
			t.Fatal(err)
		}
		ada.LocalParticipant.SendText(text, lksdk.StreamTextOptions{Topic: "letters"})
		if got := expect(t, "the text", texts, any_); got != text {
			t.Fatalf("the text came with %d bytes of %d", len(got), len(text))
		}
		if err := bo.RegisterRpcMethod("greet", func(call lksdk.RpcInvocationData) (string, error) {
			return call.CallerIdentity + ": " + call.Payload + "!", nil
		}); err != nil {
			t.Fatal(err)
		}
		answer, err := ada.LocalParticipant.PerformRpc(lksdk.PerformRpcParams{DestinationIdentity: "bo", Method: "greet", Payload: "hello"})
		if err != nil || *answer != "ada: hello!" {
			t.Fatalf("the call gave %v, %v", answer, err)
		}
		if _, err := ada.LocalParticipant.PerformRpc(lksdk.PerformRpcParams{DestinationIdentity: "bo", Method: "unknown"}); err == nil {
			t.Fatal("a method that is not there answered")
		}
	})
}

func TestReconnect(t *testing.T) {
	for name, scenario := range map[string]lksdk.SimulateScenario{
		"resumes in place": lksdk.SimulateSignalReconnect,
		"begins anew":      lksdk.SimulateLeaveRequestFullReconnect,
	} {
		t.Run(name, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, mode ...lksdk.ConnectOption) {
				ada, bo := pair(t, "again", mode...)
				ada.publish(vp8)
				seen := bo.stream(vp8)
				seen.brings(t, 30)
				sid := ada.LocalParticipant.SID()
				ada.Simulate(scenario)
				expect(t, "ada is back", ada.reconnected, any_)
				isSame := ada.LocalParticipant.SID() == sid
				if isSame != (scenario == lksdk.SimulateSignalReconnect) {
					t.Fatalf("the participant is the same: %v", isSame)
				}
				if !isSame {
					seen = bo.stream(vp8)
				}
				seen.brings(t, 30)
				eventually(t, "both see each other", func() bool {
					return ada.GetParticipantByIdentity("bo") != nil && bo.GetParticipantByIdentity("ada") != nil
				})
				ada.send("back", "again", true)
				expect(t, "a message of ada", bo.data, func(got data) bool { return got.payload == "back" })
				bo.send("welcome", "again", true)
				expect(t, "a message of bo", ada.data, func(got data) bool { return got.payload == "welcome" })
			})
		})
	}
}

func TestTheServerEndsACall(t *testing.T) {
	inBothModes(t, func(t *testing.T, mode ...lksdk.ConnectOption) {
		ada, bo := pair(t, "end", mode...)
		ada.Simulate(lksdk.SimulateServerLeave)
		expect(t, "the end", ada.disconnected, any_)
		expect(t, "ada leaves", bo.left, func(who string) bool { return who == "ada" })
	})
}
