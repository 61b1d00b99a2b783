"""A page with a pair of digits and a pair of pictures, as programs see it."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from guarded import post
from made_up_images import CLASSES, text_of, write_image_pair
from page_server import PageServer
from untrained import write_pair

from camloss.demo import images
from camloss.pair import Pair

pytestmark = pytest.mark.slow

CALL = "/gradio_api/call/explain_image"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_pair(tmp_path_factory.mktemp("both") / "checkpoints")
    write_image_pair(folder / "images")
    return folder


@pytest.fixture(scope="module")
def both(checkpoints: Path) -> Iterator[PageServer]:
    server = PageServer(checkpoints.parent / "log.txt", CAMLOSS_CHECKPOINTS=str(checkpoints))
    yield server
    server.kill()


def fetched(server: PageServer, path: str) -> Any:
    with urllib.request.urlopen(f"{server.url.rstrip('/')}{path}", timeout=60) as answer:
        return answer.headers, answer.read()


def called(server: PageServer, values: list[Any], function: str = "explain_image") -> tuple[str, Any]:
    """Two requests, as with curl; (event, data)."""
    status, told = post(server, f"/gradio_api/call/{function}", {"data": values})
    assert status == 200
    lines = fetched(server, f"/gradio_api/call/{function}/{told['event_id']}")[1].decode().splitlines()
    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


def truth(checkpoints: Path, **question: Any) -> Any:
    return json.loads(json.dumps(images.answer(Pair.load(checkpoints / "images"), text_of("disc"), **question)))


def test_from_python(both: PageServer, checkpoints: Path) -> None:
    from gradio_client import Client

    client = Client(both.url, verbose=False)
    answer = client.predict(text_of("disc"), 0, 1, erase=0.1, api_name="/explain_image")
    assert answer == truth(checkpoints, class_idx=0, other_idx=1, erase=0.1)
    assert answer["classes"][answer["cam"]["predicted"]] in CLASSES
    assert client.predict(text_of("disc"), api_name="/explain")["blank"] is False  # beside the other function


def test_with_curl(both: PageServer, checkpoints: Path) -> None:
    assert called(both, [text_of("disc"), 2, None, "images", 0.2]) == (
        "complete",
        [truth(checkpoints, class_idx=2, erase=0.2)],
    )
    status, told = post(both, "/gradio_api/call/v2/explain_image", {"picture": text_of("disc"), "erase": 0.2})
    assert status == 200
    lines = fetched(both, f"{CALL}/{told['event_id']}")[1].decode().splitlines()
    assert json.loads(lines[1].removeprefix("data: ")) == [truth(checkpoints, erase=0.2)]


@pytest.mark.parametrize(
    ("function", "values", "words"),
    [
        ("explain_image", [None], "the picture is NoneType"),
        ("explain_image", ["no base64!"], "the picture is not base64"),
        ("explain_image", [text_of("disc"), 3], "class 3 is not one of the models'"),
        ("explain_image", [text_of("disc"), None, None, None, 0.7], "erase is 0.7; expected a share of the positions"),
        (
            "explain_image",
            [text_of("disc"), None, None, "checkpoints"],
            "unknown networks 'checkpoints'; expected one of images",
        ),
        ("explain", [text_of("disc"), None, None, "images"], "unknown networks 'images'; expected one of checkpoints"),
    ],
)
def test_what_cannot_be_answered_is_one_line(both: PageServer, function: str, values: list[Any], words: str) -> None:
    event, data = called(both, values, function)
    assert event == "error"
    assert data["error"].startswith(words)
    assert "\n" not in data["error"]


def test_both_functions_are_documented(both: PageServer) -> None:
    info = json.loads(fetched(both, "/gradio_api/info")[1])["named_endpoints"]
    assert list(info) == ["/explain", "/explain_image"]
    parameters = {p["parameter_name"]: p["python_type"]["description"] for p in info["/explain_image"]["parameters"]}
    assert list(parameters) == ["picture", "class_idx", "other_idx", "networks", "erase"]
    assert all(len(description) > 20 for description in parameters.values())
    (returned,) = info["/explain_image"]["returns"]
    assert returned["python_type"]["description"].startswith("classes, their names;")


def test_the_browser_gets_no_weights_of_pictures(both: PageServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetched(both, "/web/weights?networks=images")
    assert refused.value.code == 404
    assert json.loads(fetched(both, "/web/weights?networks=checkpoints")[1])["file"]


def test_examples_are_sent_as_they_are(both: PageServer, checkpoints: Path) -> None:
    props = [component["props"] for component in json.loads(fetched(both, "/config")[1])["components"]]
    (pair,) = next(of["props"]["pairs"] for of in props if "answer_image" in of.get("server_fns", ()))
    assert [example["title"] for example in pair["examples"]] == sorted(CLASSES)
    for example, path in zip(pair["examples"], sorted((checkpoints / "images" / "examples").iterdir()), strict=True):
        headers, body = fetched(both, f"/web/{example['file']}")
        assert headers["Content-Type"] == "image/jpeg"
        assert body == path.read_bytes()
