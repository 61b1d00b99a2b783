"""Publish the pair.

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

from camloss.checkpoint import WEIGHTS, read_header, to_json, write_atomically
from camloss.errors import CamlossError
from camloss.hub.messages import check_repo_id
from camloss.hub.model_card import MAPS, MAPS_OF_PAIR, Place, files_beside, pictures_in
from camloss.hub.pull import PAIR, PINS, Pin
from camloss.hub.timeouts import Progress, patiently
from camloss.pair import LAST, VARIANTS, Pair, pair_files, settle_alone


def push_pair(
    repo: str,
    checkpoints_dir: str | Path = "checkpoints",
    *,
    space: str | None = None,
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
        checkpoints_dir: the folder that holds the pair.
        space: "USER/NAME" of the Space that shows them, to which the cards link; by default USER/camloss.
        private: create the repositories private; existing ones stay as they are.
        tag: name both commits; a tag of that name must not stand for another commit.
        create_pr: open pull requests instead of committing to main.
        dry_run: only say what would be sent.
        log: receives lines about what is done.

    Returns:
        The pins by variant; {} for a dry run or a pull request.

    Raises:
        CamlossError: the pair or a card is not fit to publish, or the Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    space = space or f"{repo.partition('/')[0]}/camloss"
    check_repo_id(repo)
    check_repo_id(space)
    checkpoints_dir = Path(checkpoints_dir)
    if not dry_run:
        settle_alone(checkpoints_dir)
    Pair.load(checkpoints_dir)
    repo_ids = {variant: f"{repo}-{variant}" for variant in VARIANTS}
    files = published_files(checkpoints_dir, repo, space)
    digests = {variant: hashlib.sha256(files[variant][WEIGHTS]).hexdigest() for variant in VARIANTS}
    if dry_run:
        for variant in VARIANTS:
            log(f"{repo_ids[variant]} would get:")
            for name, content in files[variant].items():
                log(f"  {name:20} {len(content):>10,} bytes")
        return {}

    api = HfApi()
    for repo_id in repo_ids.values():
        _create(api, repo_id, private)

    commits: dict[str, str] = {}
    for variant, repo_id in repo_ids.items():
        if variant == LAST:
            pair = {name: {"revision": commits[name], "sha256": digests[name]} for name in commits}
            files[LAST][PAIR] = to_json({**pair, LAST: {"sha256": digests[LAST]}})
        commits[variant], url = commit_files(api, repo_id, files[variant], create_pr=create_pr)
        log(f"{repo_id} is at {commits[variant][:7]}: {url}")
    if create_pr:
        return {}

    pins = {variant: Pin(repo_ids[variant], commits[variant], digests[variant]) for variant in VARIANTS}
    write_atomically(checkpoints_dir / PINS, to_json({name: dataclasses.asdict(pin) for name, pin in pins.items()}))
    log(f"both are pinned in {checkpoints_dir / PINS}")
    log(f"their cards lead to the Space {space}: python scripts/deploy_space.py {space} --weights {repo}")
    if tag is not None:
        for pin in pins.values():
            _tag(api, pin, tag)
    return pins


def published_files(checkpoints_dir: Path, repo: str, space: str) -> dict[str, dict[str, bytes]]:
    """What the repository of each variant holds, by file name, made from the weight files and the pictures beside them.

    Args:
        checkpoints_dir: a folder with a pair that has been checked.
        repo, space: as for `push_pair`.

    Raises:
        CamlossError: a checkpoint cannot be read, or the Hub would refuse its card.
    """
    weights = pair_files(checkpoints_dir)
    headers = {variant: read_header(file) for variant, file in weights.items()}
    pictures = {variant: pictures_in(file.parent) for variant, file in weights.items()}
    files = {}
    for variant in VARIANTS:
        others = [twin for twin in VARIANTS if twin != variant]
        shown = dict(pictures[variant])
        if MAPS in shown:
            shown |= {MAPS_OF_PAIR[twin]: pictures[twin][MAPS] for twin in others if MAPS in pictures[twin]}
        place = Place(f"{repo}-{variant}", tuple(f"{repo}-{twin}" for twin in others), space)
        records = [headers[twin].get("training", {}) for twin in others]
        beside = files_beside(headers[variant], place.repo_id, shown, place=place, pair=records)
        files[variant] = {WEIGHTS: weights[variant].read_bytes(), **beside}
    return files


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

    Raises:
        CamlossError: the Hub cannot be reached or refuses.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    info = patiently(
        f"push to {repo_id}",
        lambda _: api.create_commit(
            repo_id,
            [
                *(CommitOperationAdd(name, content) for name, content in files.items()),
                *(CommitOperationDelete(name) for name in delete),
            ],
            commit_message="Upload with camloss",
            repo_type=repo_type,
            create_pr=create_pr,
        ),
        upload=sum(map(len, files.values())),
    )
    return str(info.oid), str(info.pr_url or info.commit_url)


def _create(api: Any, repo_id: str, private: bool) -> None:
    patiently(f"create {repo_id}", lambda _: api.create_repo(repo_id, private=private or None, exist_ok=True))


def _tag(api: Any, pin: Pin, tag: str) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    def put(_: Progress) -> None:
        try:
            api.create_tag(pin.repo_id, tag=tag, revision=pin.revision)
        except HfHubHTTPError as error:
            if error.response.status_code != 409:
                raise
            if api.model_info(pin.repo_id, revision=tag).sha != pin.revision:
                raise CamlossError(
                    f"{pin.repo_id} has a tag {tag} already, for another commit; "
                    "the weights are pushed, choose another tag"
                ) from error

    patiently(f"tag {pin.repo_id} {tag}", put)
