"""Publish the twins.

    USER/NAME-ce     model.safetensors, config.json, training.json, README.md, pictures
    USER/NAME-cam    the same, and pair.json: the commit of the other, and the sha256 of both weight files

The cam repository is written last. One commit of it therefore stands for a whole pair, and a push that stops half-way
leaves readers with the previous pair.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from camloss.checkpoint import WEIGHTS, load_weights, to_json, unpack, write_atomically
from camloss.errors import CamlossError
from camloss.hub.card import CARD, PICTURES, check_model_card, companions
from camloss.hub.pull import PAIR, PINS, Pin
from camloss.hub.words import check_repo_id, explained
from camloss.twins import TWINS


def push_pair(
    repo: str,
    checkpoints_dir: str | Path = "checkpoints",
    *,
    private: bool = False,
    tag: str | None = None,
    create_pr: bool = False,
    dry_run: bool = False,
    log: Callable[[str], None] = print,
) -> dict[str, Pin]:
    """Publish both twins as `repo`-ce and `repo`-cam; nothing that has not changed is sent or committed again.

    After both uploads, `checkpoints_dir/hub.json` holds what is returned; until then it stays as it was. A pull request
    is not published yet, so it leaves no pins.

    Args:
        repo: "USER/NAME".
        checkpoints_dir: the folder that holds ce/ and cam/.
        private: create the repositories private; existing ones stay as they are.
        tag: name both commits; a tag of that name must not stand for another commit.
        create_pr: open pull requests instead of committing to main.
        dry_run: only say what would be sent.
        log: receives lines about what is done.

    Returns:
        The pins by twin; {} for a dry run or a pull request.

    Raises:
        CamlossError: a checkpoint or its card is not fit to publish, or the Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    check_repo_id(repo)
    checkpoints_dir = Path(checkpoints_dir)
    repo_ids = {twin: f"{repo}-{twin}" for twin in TWINS}
    files = {
        twin: published_files(checkpoints_dir / twin, repo_ids[twin], repo_ids[other])
        for twin, other in zip(TWINS, reversed(TWINS), strict=True)
    }
    digests = {twin: hashlib.sha256(files[twin][WEIGHTS]).hexdigest() for twin in TWINS}
    if dry_run:
        for twin in TWINS:
            log(f"{repo_ids[twin]} would get:")
            for name, content in files[twin].items():
                log(f"  {name:20} {len(content):>10,} bytes")
        return {}

    api = HfApi()
    for twin in TWINS:
        with explained(f"create {repo_ids[twin]}"):
            api.create_repo(repo_ids[twin], private=private or None, exist_ok=True)

    commits: dict[str, str] = {}
    for twin in TWINS:
        if twin == "cam":
            pair = {"ce": {"revision": commits["ce"], "sha256": digests["ce"]}, "cam": {"sha256": digests["cam"]}}
            files["cam"][PAIR] = to_json(pair)
        with explained(f"push to {repo_ids[twin]}"):
            commits[twin], url = commit_files(api, repo_ids[twin], files[twin], create_pr=create_pr)
        log(f"{repo_ids[twin]} is at {commits[twin][:7]}: {url}")
    if create_pr:
        return {}

    pins = {twin: Pin(repo_ids[twin], commits[twin], digests[twin]) for twin in TWINS}
    write_atomically(checkpoints_dir / PINS, to_json({twin: dataclasses.asdict(pin) for twin, pin in pins.items()}))
    log(f"both are pinned in {checkpoints_dir / PINS}")
    if tag is not None:
        for pin in pins.values():
            with explained(f"tag {pin.repo_id} {tag}"):
                _tag(api, pin, tag)
    return pins


def published_files(directory: Path, repo_id: str, twin_id: str) -> dict[str, bytes]:
    """What one twin's repository holds, by file name, made from the weight file and the pictures beside it.

    Raises:
        CamlossError: the checkpoint does not load, or the Hub would refuse its card.
    """
    load_weights(directory / WEIGHTS)
    facts = unpack(directory / WEIGHTS)[1]
    pictures = {name: (directory / name).read_bytes() for name in PICTURES if (directory / name).is_file()}
    beside = companions(facts["config"], facts.get("training", {}), repo_id, twin_id, pictures)
    check_model_card(beside[CARD].decode())
    return {WEIGHTS: (directory / WEIGHTS).read_bytes(), **beside}


def commit_files(
    api: Any,
    repo_id: str,
    files: Mapping[str, bytes],
    *,
    delete: tuple[str, ...] = (),
    repo_type: str = "model",
    create_pr: bool = False,
) -> tuple[str, str]:
    """Write and delete files of a repository in one commit, or in none if nothing changed.

    Returns:
        The repository's newest commit, and a URL that shows it or the pull request.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    info = api.create_commit(
        repo_id,
        [
            *(CommitOperationAdd(name, content) for name, content in files.items()),
            *(CommitOperationDelete(name) for name in delete),
        ],
        commit_message="Upload with camloss",
        repo_type=repo_type,
        create_pr=create_pr,
    )
    return str(info.oid), str(info.pr_url or info.commit_url)


def _tag(api: Any, pin: Pin, tag: str) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_tag(pin.repo_id, tag=tag, revision=pin.revision)
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise
        if api.model_info(pin.repo_id, revision=tag).sha != pin.revision:
            raise CamlossError(
                f"{pin.repo_id} has a tag {tag} already, for another commit; the weights are pushed, choose another tag"
            ) from error
