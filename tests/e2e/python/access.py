"""Where the server under test is, and tokens for it."""

import datetime
import itertools
import os

from livekit import api

KEY = os.environ.get("TUTTI_API_KEY", "devkey")
SECRET = os.environ.get("TUTTI_API_SECRET", "secret")
SERVER_URL = os.environ.get("TUTTI_URL", "http://127.0.0.1:7880").rstrip("/")

_rooms = itertools.count(1)


def new_room(topic: str) -> str:
    """A room name that no other test and no earlier run uses."""
    stamp = datetime.datetime.now().strftime("%H%M%S%f")
    return f"{topic}-{os.getpid()}-{stamp}-{next(_rooms)}"


def token_for(
    room: str,
    identity: str,
    *,
    key: str = KEY,
    secret: str = SECRET,
    ttl_s: int = 3600,
    config: api.RoomConfiguration | None = None,
    **grants,
) -> str:
    token = (
        api.AccessToken(key, secret)
        .with_identity(identity)
        .with_name(identity.capitalize())
        .with_ttl(datetime.timedelta(seconds=ttl_s))
        .with_grants(api.VideoGrants(room_join=True, room=room, can_update_own_metadata=True, **grants))
    )
    return (token.with_room_config(config) if config else token).to_jwt()
