"""The page's server as programs see it: the API, the pad's server functions, and what it must not do."""

import base64
import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from drawn import SEVEN
from page_server import EXAMPLES, ROOT, WEB, PageServer

from camloss.demo import inference
from camloss.demo.pairs import load_for_page

HEAVY = ("torchvision", "matplotlib", "matplotlib.pyplot", "pandas")


def post(url: str, body: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def components(server: PageServer) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{server.url}config", timeout=30) as answer:
        return list(json.load(answer)["components"])


def ask_page(server: PageServer, function: str, data: Any) -> Any:
    """Call a server function as the page does."""
    owner = next(c["id"] for c in components(server) if function in c["props"].get("server_fns", []))
    body = {"data": data, "component_id": owner, "fn_name": function, "session_hash": "test"}
    return post(f"{server.url}gradio_api/component_server/", body)


def call_api(server: PageServer, *arguments: Any) -> tuple[str, Any]:
    """Two requests, as with curl: the first gives the number of the second; (event, data)."""
    event = post(f"{server.url}gradio_api/call/explain", {"data": arguments})["event_id"]
    with urllib.request.urlopen(f"{server.url}gradio_api/call/explain/{event}", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


def expected(class_idx: int | None = None, other_idx: int | None = None) -> Any:
    answer = inference.answer(load_for_page(ROOT / "checkpoints"), SEVEN, class_idx, other_idx)
    return json.loads(json.dumps(answer))


def test_python_client(page_server: PageServer) -> None:
    from gradio_client import Client

    client = Client(page_server.url, verbose=False)
    assert client.predict(SEVEN, api_name="/explain") == expected()
    assert client.predict(SEVEN, 4, 9, api_name="/explain") == expected(4, 9)


def test_curl(page_server: PageServer) -> None:
    assert call_api(page_server, SEVEN, 4, 9, None, None) == ("complete", [expected(4, 9)])
    assert call_api(page_server, SEVEN, None, None, "checkpoints", None) == ("complete", [expected()])


def test_strokes_are_read_as_well_as_pictures(page_server: PageServer) -> None:
    strokes = EXAMPLES[3]["strokes"]
    event, data = call_api(page_server, None, 3, 8, None, strokes)
    assert event == "complete"
    pair = load_for_page(ROOT / "checkpoints")
    assert data[0] == inference.answer(pair, None, 3, 8, strokes=strokes)
    assert data[0]["cam"]["digit"] == EXAMPLES[3]["label"]


def test_api_page_documents_the_endpoint(page_server: PageServer) -> None:
    with urllib.request.urlopen(f"{page_server.url}gradio_api/info", timeout=30) as answer:
        info = json.load(answer)["named_endpoints"]
    assert list(info) == ["/explain", "/explain_image"]
    assert "where in the picture each of them finds its evidence" in info["/explain"]["description"]
    parameters = {p["parameter_name"]: p["parameter_has_default"] for p in info["/explain"]["parameters"]}
    assert parameters == dict.fromkeys(("picture", "class_idx", "other_idx", "networks", "strokes", "second"), True)
    words = {p["parameter_name"]: p["python_type"]["description"] for p in info["/explain"]["parameters"]}
    assert words["picture"].startswith("a PNG, JPEG or WebP image as base64 text")
    assert all(len(description) > 20 for description in words.values())
    assert [p["label"] for p in info["/explain"]["parameters"]] == list(words)
    (returned,) = info["/explain"]["returns"]
    assert returned["label"] == "answer"
    assert returned["python_type"]["description"].startswith("blank; seen (28 x 28)")
    assert returned["python_type"]["type"] == "dict(str, Any)"


def test_a_call_by_name_as_the_documentation_prints_it(page_server: PageServer) -> None:
    event = post(f"{page_server.url}gradio_api/call/v2/explain", {"picture": SEVEN, "class_idx": 4, "other_idx": 9})
    with urllib.request.urlopen(f"{page_server.url}gradio_api/call/explain/{event['event_id']}", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    assert lines[0] == "event: complete"
    assert json.loads(lines[1].removeprefix("data: ")) == [expected(4, 9)]
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(f"{page_server.url}gradio_api/call/v2/explain", {"file": SEVEN})
    assert refused.value.code == 400


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["no base64!"], "the picture is not base64"),
        ([SEVEN, 12], "class 12 is not one of the models'"),
        ([SEVEN, None, None, "vgg"], "unknown networks 'vgg'; expected one of checkpoints"),
    ],
)
def test_api_says_what_is_wrong_in_one_line(page_server: PageServer, arguments: list[Any], complaint: str) -> None:
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    client = Client(page_server.url, verbose=False)
    with pytest.raises(AppError, match=complaint) as caught:
        client.predict(*arguments, api_name="/explain")
    assert "Traceback" not in str(caught.value)


def test_api_reads_no_files_of_the_server(page_server: PageServer) -> None:
    for file in ({"path": "/etc/hostname"}, {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            call_api(page_server, file, None, None, None, None)


def test_pad_and_api_get_the_same_answer(page_server: PageServer) -> None:
    answer = ask_page(page_server, "answer", {"picture": SEVEN, "class_idx": 4, "other_idx": 9})
    truth = expected(4, 9)
    for variant in ("ce", "cam"):
        for name in ("digit", "probs", "class_idx", "other_idx", "similarity", "stroke_energy"):
            assert answer[variant][name] == truth[variant][name]
        cells = base64.b64decode(answer[variant]["cam"])
        assert [value / 254 for value in cells] == pytest.approx(
            [value for row in truth[variant]["cam"] for value in row], abs=3e-3
        )


@pytest.mark.parametrize(
    ("function", "data", "complaint"),
    [
        ("answer", {}, "the picture is NoneType"),
        ("answer", {"picture": SEVEN, "networks": "../.."}, "unknown networks"),
        ("answer", {"picture": SEVEN, "class_idx": 11}, "class 11"),
        ("build_up", {"picture": SEVEN, "variant": "vgg"}, "unknown variant"),
        ("build_up", {"picture": SEVEN}, "unknown variant"),
    ],
)
def test_server_functions_answer_nonsense_in_one_line(
    page_server: PageServer, function: str, data: Any, complaint: str
) -> None:
    answer = ask_page(page_server, function, data)
    assert list(answer) == ["error"]
    assert complaint in answer["error"]
    assert "\n" not in answer["error"]


def test_no_other_method_can_be_called(page_server: PageServer) -> None:
    for component in components(page_server):
        for name in ("get_config", "postprocess", "__init__", "load", "value", "draw"):
            body = {"data": None, "component_id": component["id"], "fn_name": name, "session_hash": "test"}
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(f"{page_server.url}gradio_api/component_server/", body)
            assert refused.value.code == 404


def test_no_component_takes_files(page_server: PageServer) -> None:
    kinds = {component["type"] for component in components(page_server)}
    assert kinds <= {"html", "markdown", "tabs", "tabitem", "accordion", "api"}


def test_long_bodies_are_refused_unread(page_server: PageServer) -> None:
    connection = http.client.HTTPConnection(page_server.url.removeprefix("http://").rstrip("/"), timeout=30)
    connection.putrequest("POST", "/gradio_api/component_server/")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(10**9))
    connection.endheaders()
    assert connection.getresponse().status == 413


@pytest.mark.parametrize(("megabytes", "accepted"), [(1, True), (20, False)])
def test_a_body_without_a_length_is_cut_off(page_server: PageServer, megabytes: int, accepted: bool) -> None:
    """A question that is valid JSON behind any number of spaces: only its length is wrong."""
    connection = http.client.HTTPConnection(page_server.url.removeprefix("http://").rstrip("/"), timeout=30)
    chunks = [*[b" " * 1_000_000] * megabytes, b'{"data": ["", null, null, null]}']
    try:
        connection.request("POST", "/gradio_api/call/explain", iter(chunks), {"Content-Type": "application/json"})
        status = connection.getresponse().status
    except (http.client.HTTPException, OSError):
        status = 413  # hung up while we were still sending
    assert (status == 200) == accepted, status
    assert accepted or status == 413


def test_page_is_launched_closed(page_server: PageServer) -> None:
    with urllib.request.urlopen(f"{page_server.url}config", timeout=30) as answer:
        config = json.load(answer)
    assert config["show_error"] is False
    assert config["run_history"] is False


def test_scripts_are_served_beside_the_page(page_server: PageServer) -> None:
    with urllib.request.urlopen(f"{page_server.url}web/draw.js", timeout=30) as answer:
        assert answer.read() == (WEB / "draw.js").read_bytes()
        assert answer.headers["Content-Type"].startswith("text/javascript")


def test_web_files_mean_nothing_to_the_template_language() -> None:
    """gradio compiles markup and styles with Handlebars and evaluates them as a template literal."""
    for path in [*WEB.glob("*.html"), *WEB.glob("*.css")]:
        text = path.read_text(encoding="utf-8")
        for token in ("`", "${", "{{", "\\"):
            assert token not in text, f"{path.name} holds {token}"


def test_no_checkpoints_is_one_line(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={"PATH": "", "CAMLOSS_CHECKPOINTS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr == f"error: no pair of checkpoints in {tmp_path}; train one with `camloss train`\n"


def loaded(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after some code."""
    code += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_first_drawing_needs_no_heavy_package() -> None:
    """Beyond what gradio loads by itself for any page of the same components."""
    gradio_alone = loaded(
        "import gradio, torch, PIL.Image\n"
        "with gradio.Blocks(analytics_enabled=False):\n"
        "    with gradio.Tab('a'), gradio.Row():\n"
        "        gradio.HTML(''); gradio.Markdown('')\n"
        "    gradio.events.api(lambda: 0, api_name='b')\n"
    )
    ours = loaded(
        "import app, asyncio\n"
        "from camloss.demo import CHECKPOINTS, endpoints, pairs\n"
        "answer = endpoints.endpoints_of(*[lambda _: pairs.load_for_page(CHECKPOINTS)] * 2).answer\n"
        f"assert asyncio.run(answer({{'picture': {SEVEN!r}}}))['blank'] is False"
    )
    assert "camloss.demo.inference" in ours
    assert "camloss.hub.card_figures" not in ours
    assert not {name for name in HEAVY if name in ours - gradio_alone}
