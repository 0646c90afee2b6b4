package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"

	lksdk "github.com/livekit/server-sdk-go/v2"
)

// TestServerAPI calls the server as a back end in Go does.
func TestServerAPI(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	api := lksdk.NewRoomServiceClient(serverURL, apiKey, apiSecret)
	name := newRoom("api")

	made, err := api.CreateRoom(ctx, &livekit.CreateRoomRequest{Name: name, Metadata: "first", MaxParticipants: 3})
	if err != nil || made.GetName() != name || made.GetMaxParticipants() != 3 {
		t.Fatalf("CreateRoom: %v, %v", made, err)
	}
	ada := join(t, name, "ada")
	bo := join(t, name, "bo")
	publication := ada.publish(opus)
	bo.stream(opus)

	listed, err := api.ListRooms(ctx, &livekit.ListRoomsRequest{Names: []string{name}})
	if err != nil || len(listed.GetRooms()) != 1 || listed.GetRooms()[0].GetSid() != made.GetSid() {
		t.Fatalf("ListRooms: %v, %v", listed, err)
	}
	there, err := api.ListParticipants(ctx, &livekit.ListParticipantsRequest{Room: name})
	if err != nil || len(there.GetParticipants()) != 2 {
		t.Fatalf("ListParticipants: %v, %v", there, err)
	}
	one, err := api.GetParticipant(ctx, &livekit.RoomParticipantIdentity{Room: name, Identity: "ada"})
	if err != nil || len(one.GetTracks()) != 1 || one.GetTracks()[0].GetSid() != publication.SID() {
		t.Fatalf("GetParticipant: %v, %v", one, err)
	}

	if _, err := api.UpdateRoomMetadata(ctx, &livekit.UpdateRoomMetadataRequest{Room: name, Metadata: "second"}); err != nil {
		t.Fatalf("UpdateRoomMetadata: %v", err)
	}
	expect(t, "the metadata of the room", bo.metadata, func(text string) bool { return text == "second" })

	if _, err := api.UpdateParticipant(ctx, &livekit.UpdateParticipantRequest{Room: name, Identity: "ada", Name: "Ada L."}); err != nil {
		t.Fatalf("UpdateParticipant: %v", err)
	}
	eventually(t, "the new name is seen", func() bool { return bo.GetParticipantByIdentity("ada").Name() == "Ada L." })

	without := &livekit.UpdateSubscriptionsRequest{Room: name, Identity: "bo", TrackSids: []string{publication.SID()}}
	if _, err := api.UpdateSubscriptions(ctx, without); err != nil {
		t.Fatalf("UpdateSubscriptions: %v", err)
	}

	mute := &livekit.MuteRoomTrackRequest{Room: name, Identity: "ada", TrackSid: publication.SID(), Muted: true}
	if _, err := api.MutePublishedTrack(ctx, mute); err != nil {
		t.Fatalf("MutePublishedTrack: %v", err)
	}
	expect(t, "the mute", bo.mutes, func(m muted) bool { return m == muted{publication.SID(), true} })

	topic := "news"
	send := &livekit.SendDataRequest{Room: name, Data: []byte("hello"), Kind: livekit.DataPacket_RELIABLE, Topic: &topic}
	if _, err := api.SendData(ctx, send); err != nil {
		t.Fatalf("SendData: %v", err)
	}
	expect(t, "the message", bo.data, func(got data) bool { return got.payload == "hello" && got.topic == topic })

	if _, err := api.RemoveParticipant(ctx, &livekit.RoomParticipantIdentity{Room: name, Identity: "ada"}); err != nil {
		t.Fatalf("RemoveParticipant: %v", err)
	}
	expect(t, "ada is told", ada.disconnected, func(why lksdk.DisconnectionReason) bool { return why == lksdk.ParticipantRemoved })
	expect(t, "bo sees it", bo.left, func(who string) bool { return who == "ada" })

	_, err = api.GetParticipant(ctx, &livekit.RoomParticipantIdentity{Room: name, Identity: "ada"})
	if failure, isTwirp := err.(twirp.Error); !isTwirp || failure.Code() != twirp.NotFound {
		t.Fatalf("GetParticipant of nobody: %v", err)
	}
	if _, err := api.DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: name}); err != nil {
		t.Fatalf("DeleteRoom: %v", err)
	}
	expect(t, "bo is told", bo.disconnected, any_)
}

// TestAgentDispatch dispatches an agent that nobody provides.
func TestAgentDispatch(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	api := lksdk.NewAgentDispatchServiceClient(serverURL, apiKey, apiSecret)
	name := newRoom("dispatch")
	made, err := api.CreateDispatch(ctx, &livekit.CreateAgentDispatchRequest{Room: name, AgentName: "nobody", Metadata: "m"})
	if err != nil || made.GetRoom() != name || made.GetAgentName() != "nobody" || made.GetMetadata() != "m" {
		t.Fatalf("CreateDispatch: %v, %v", made, err)
	}
	listed, err := api.ListDispatch(ctx, &livekit.ListAgentDispatchRequest{Room: name, DispatchId: made.GetId()})
	if err != nil || len(listed.GetAgentDispatches()) != 1 {
		t.Fatalf("ListDispatch: %v, %v", listed, err)
	}
	deleted, err := api.DeleteDispatch(ctx, &livekit.DeleteAgentDispatchRequest{Room: name, DispatchId: made.GetId()})
	if err != nil || deleted.GetState().GetDeletedAt() == 0 {
		t.Fatalf("DeleteDispatch: %v, %v", deleted, err)
	}
	_, err = api.DeleteDispatch(ctx, &livekit.DeleteAgentDispatchRequest{Room: name, DispatchId: made.GetId()})
	if failure, isTwirp := err.(twirp.Error); !isTwirp || failure.Code() != twirp.NotFound {
		t.Fatalf("DeleteDispatch again: %v", err)
	}
	rooms := lksdk.NewRoomServiceClient(serverURL, apiKey, apiSecret)
	if _, err := rooms.DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: name}); err != nil {
		t.Fatalf("DeleteRoom: %v", err)
	}
}
