"""What the HTTP side of the signalling endpoints says, to machines and to mistakes."""

import aiohttp
import jwt
import pytest

from access import KEY, SECRET, SERVER_URL, token_for


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(SERVER_URL) as session:
        yield session


def forged(room: str, identity: str, algorithm: str) -> str:
    """A token that the token library would refuse to make."""
    claims = {"iss": KEY, "sub": identity, "exp": 4_000_000_000, "video": {"roomJoin": True, "room": room}}
    return jwt.encode(claims, None if algorithm == "none" else SECRET, algorithm)


async def test_validate_accepts_a_good_token(http):
    token, page = token_for("r", "ada"), {"Origin": "https://example.org"}
    for carry in ({"params": {"access_token": token}, "headers": page}, {"headers": page | {"Authorization": f"Bearer {token}"}}):
        answer = await http.get("/rtc/validate", **carry)
        assert (answer.status, await answer.text()) == (200, "success")
        assert answer.headers["Access-Control-Allow-Origin"] == "https://example.org"


@pytest.mark.parametrize(
    ("what", "token"),
    [
        ("no token", ""),
        ("not a token", "nonsense"),
        ("foreign key", token_for("r", "ada", key="foreign")),
        ("wrong secret", token_for("r", "ada", secret="wrong")),
        ("expired", token_for("r", "ada", ttl_s=-7200)),
        ("unsigned", forged("r", "ada", "none")),
        ("another algorithm", forged("r", "ada", "HS512")),
    ],
)
async def test_validate_refuses(http, what, token):
    answer = await http.get("/rtc/validate", params={"access_token": token})
    assert answer.status == 401, f"{what}: {await answer.text()}"


@pytest.mark.parametrize(("room", "identity"), [("", "ada"), ("r" * 300, "ada"), ("r", ""), ("r", "i" * 300)])
async def test_validate_refuses_names_of_wrong_length(http, room, identity):
    answer = await http.get("/rtc/validate", params={"access_token": forged(room, identity, "HS256")})
    assert answer.status in (400, 401)


@pytest.mark.parametrize("path", ["/rtc", "/rtc/v1", "/no/such/path"])
async def test_plain_requests_find_nothing(http, path):
    answer = await http.get(path, params={"access_token": token_for("r", "ada")})
    assert answer.status == 404


async def test_v1_wants_a_join_request(http):
    answer = await http.get("/rtc/v1/validate", params={"access_token": token_for("r", "ada")})
    assert answer.status == 400
    answer = await http.get("/rtc/v1/validate", params={"access_token": token_for("r", "ada"), "join_request": "!!!"})
    assert answer.status == 400


async def test_preflight(http):
    headers = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = await http.options("/rtc/validate", headers=headers)
    assert answer.status < 300
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", "https://example.org")


async def test_root_answers_machines(http):
    answer = await http.get("/")
    assert (answer.status, await answer.text()) == (200, "OK")
