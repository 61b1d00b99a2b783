"""Publish a pair: one repository that holds what its folder holds, written in one commit.

    config.json                  names the variants; the Hub counts downloads by it
    README.md                    the model card of the pair
    ce/model.safetensors         and config.json, training.json, pictures
    cam/model.safetensors        the same

A push that stops half-way leaves readers with the previous pair.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from camloss.checkpoint import WEIGHTS, read_header
from camloss.errors import CamlossError, quoted
from camloss.hub.messages import check_repo_id
from camloss.hub.model_card import files_beside, pictures_in
from camloss.hub.pull import files_of, hash_like
from camloss.hub.timeouts import with_stall_timeout
from camloss.pair import Pair, pair_files, settle_alone

LONGEST_TAG = 100


def push_pair(
    repo_id: str,
    folder: str | Path = "checkpoints",
    *,
    space: str | None = None,
    private: bool = False,
    tag: str | None = None,
    create_pr: bool = False,
    dry_run: bool = False,
    log: Callable[[str], None] = print,
) -> str | None:
    """Publish a pair as one repository; nothing that has not changed is sent or committed again.

    Args:
        repo_id: "USER/NAME".
        folder: holds the pair.
        space: "USER/NAME" of the Space that shows it, to which the card links; by default USER/camloss.
        private: create a private repository; an existing one stays as it is.
        tag: name the commit; a tag of that name must not stand for another commit.
        create_pr: open a pull request instead of committing to main.
        dry_run: only say what would be sent.
        log: receives lines about what is done.

    Returns:
        The commit, 40 hex digits; None for a dry run.

    Raises:
        CamlossError: the pair or its card is not fit to publish, or the Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi

    _check_tag(tag)
    space = space or f"{repo_id.partition('/')[0]}/camloss"
    check_repo_id(repo_id)
    check_repo_id(space)
    folder = Path(folder)
    if not dry_run:
        settle_alone(folder)
    Pair.load(folder)
    files = published_files(folder, repo_id, space)
    if dry_run:
        log(f"{repo_id} would get:")
        for name, content in files.items():
            log(f"  {name:24} {len(content):>10,} bytes")
        return None

    api = HfApi()
    with_stall_timeout(f"create {repo_id}", lambda: api.create_repo(repo_id, private=private or None, exist_ok=True))
    at = _commit_of_space(api, space)
    if at:
        files = published_files(folder, repo_id, f"{space}@{at}")
    if tag is not None and not create_pr:
        with_stall_timeout(f"look for the tag {tag} in {repo_id}", lambda: _refuse_taken(api, repo_id, tag, files))
    commit, url = commit_files(api, repo_id, files, create_pr=create_pr)
    log(f"{repo_id} is at {commit[:7]}: {url}")
    if tag is not None and not create_pr:
        with_stall_timeout(f"tag {repo_id} {tag}", lambda: _tag(api, repo_id, commit, tag))
    again = "" if at else "; then push again, so that the card says what to install"
    log(f"its card leads to the Space {space}: camloss deploy-space {space} --weights {repo_id}{again}")
    return commit


def published_files(folder: Path, repo_id: str, space: str) -> dict[str, bytes]:
    """What the repository holds, by path, made from the weight files and the pictures beside them.

    Args:
        folder: holds a pair that has been checked.
        repo_id: as for `push_pair`.
        space: as for `model_card`.

    Raises:
        CamlossError: a checkpoint cannot be read, or the Hub would refuse the card.
    """
    weights = pair_files(folder)
    headers = {variant: read_header(file) for variant, file in weights.items()}
    pictures = {variant: pictures_in(file.parent) for variant, file in weights.items()}
    beside = files_beside(headers, repo_id, pictures, space)
    return {**beside, **{f"{variant}/{WEIGHTS}": file.read_bytes() for variant, file in weights.items()}}


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

    changes = [
        *(CommitOperationAdd(name, content) for name, content in files.items()),
        *(CommitOperationDelete(name) for name in delete),
    ]

    def push() -> Any:
        """Only what differs from the newest commit is sent, so that a commit in between would leave half of each."""
        newest = api.repo_info(repo_id, repo_type=repo_type).sha
        return api.create_commit(
            repo_id,
            changes,
            commit_message="Upload with camloss",
            repo_type=repo_type,
            create_pr=create_pr,
            parent_commit=newest,
        )

    info = with_stall_timeout(f"push to {repo_id}", push, upload=sum(map(len, files.values())))
    return str(info.oid), str(info.pr_url or info.commit_url)


def _check_tag(tag: str | None) -> None:
    """Before anything is sent.

    Raises:
        CamlossError: git would refuse it, or it would be taken for the branch.
    """
    if tag is None:
        return
    named = re.fullmatch(r"\w[\w.+-]*(/\w[\w.+-]*)*", tag, re.ASCII) and ".." not in tag
    if not named or tag.endswith((".", ".lock")) or tag in ("main", "HEAD") or len(tag) > LONGEST_TAG:
        raise CamlossError(
            f"{quoted(tag)} is no name for a tag; expected letters, digits, '.', '_', '+' and '-', such as v1"
        )


def _commit_of_space(api: Any, space: str) -> str | None:
    """The newest commit of the Space that shows the pair, from which its card installs the package."""
    from huggingface_hub.errors import RepositoryNotFoundError

    def ask() -> str | None:
        try:
            return str(api.repo_info(space, repo_type="space").sha)
        except RepositoryNotFoundError:
            return None

    return with_stall_timeout(f"look for the Space {space}", ask)


def _refuse_taken(api: Any, repo_id: str, tag: str, files: Mapping[str, bytes]) -> None:
    """Before anything is sent: a tag must not stand for another commit than the push would end at.

    Raises:
        CamlossError: it does.
    """
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        tagged = api.model_info(repo_id, revision=tag).sha
    except RevisionNotFoundError:
        return
    newest = api.model_info(repo_id, files_metadata=True)
    known = {name: file.hash for name, file in files_of(newest).items()}
    is_there = all(known.get(name) == hash_like(known.get(name) or "", content) for name, content in files.items())
    if newest.sha != tagged or not is_there:
        raise CamlossError(
            f"{repo_id} has a tag {tag} already, for another commit; nothing is pushed, choose another tag"
        )


def _tag(api: Any, repo_id: str, commit: str, tag: str) -> None:
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_tag(repo_id, tag=tag, revision=commit)
    except HfHubHTTPError as error:
        if error.response.status_code != 409:
            raise
        if api.model_info(repo_id, revision=tag).sha != commit:
            raise CamlossError(
                f"{repo_id} has a tag {tag} already, for another commit; the weights are pushed, choose another tag"
            ) from error
