"""What the Hub's client raises, in one line that says what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from camloss.errors import CamlossError


def check_repo_id(repo_id: str) -> None:
    """Raises CamlossError unless it is USER/NAME, spelled as the Hub allows."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(f"{repo_id}-cam")
        if "/" not in repo_id:
            raise HFValidationError("the user is missing")
    except HFValidationError as error:
        raise CamlossError(
            f"{repo_id!r} is no name for a repository; expected USER/NAME of letters, digits, '-', '_' and '.'"
        ) from error


@contextmanager
def one_line_errors(what: str) -> Iterator[None]:
    """Turn whatever the Hub's client raises into one line that says what failed, why, and what to do.

    Args:
        what: what was tried, such as "push to user/name".
    """
    import httpx2
    from huggingface_hub.errors import EntryNotFoundError, XetDownloadError

    try:
        yield
    except CamlossError:
        raise
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError, EntryNotFoundError, XetDownloadError) as error:
        raise CamlossError(f"cannot {what}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    import httpx2
    from huggingface_hub import constants, errors

    if isinstance(error, errors.LocalEntryNotFoundError | RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    endpoint, offline = constants.ENDPOINT, "set HF_HUB_OFFLINE=1 to use what is in the cache"
    reasons: dict[type[BaseException], str] = {  # the first that fits
        errors.RevisionNotFoundError: "there is no such revision; look for its name on the repository's page",
        errors.RemoteEntryNotFoundError: "the repository has no such file; push both twins with scripts/push_to_hub.py",
        errors.HfHubHTTPError: _status_reason(error),
        errors.HFValidationError: "a repository's name is USER/NAME, of letters, digits, '-', '_' and '.'",
        errors.LocalTokenNotFoundError: "there is no token; run `hf auth login` or set HF_TOKEN",
        errors.OfflineModeIsEnabled: "it is not in the cache, and HF_HUB_OFFLINE is set; unset it",
        errors.LocalEntryNotFoundError: "it is not in the cache; connect to a network",
        httpx2.TimeoutException: f"{endpoint} does not answer; try again later, or {offline}",
        httpx2.ConnectError: f"{endpoint} cannot be reached; check the network, or {offline}",
        httpx2.HTTPError: f"the connection to {endpoint} broke off; try again",
    }
    for kind, reason in reasons.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}; free space, or let HF_HOME name another folder"
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{first_line.rstrip('.')}; try again"


def _status_reason(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if response is None:
        return ""
    status = response.status_code
    if status == 401 and "authorization" in response.request.headers:
        return "the Hub does not accept the token (401); run `hf auth login` or correct HF_TOKEN"
    if status >= 500:
        return f"the Hub is in trouble ({status}); try again later, or set HF_HUB_OFFLINE=1 to use what is in the cache"
    return STATUS_REASONS.get(status, f"the Hub refuses ({status})")


STATUS_REASONS = {
    401: "the Hub wants a token (401); run `hf auth login` or set HF_TOKEN, or correct the name",
    402: "the Hub wants payment (402): on a free account a Gradio Space runs on ZeroGPU only; "
    "add --hardware zero-a10g, or upgrade the account",
    403: "the token may not do that (403); make one that may write there, on the Hub under Settings, Access Tokens",
    404: "there is no such repository, or it is private (404); correct the name or run `hf auth login`",
    409: "it exists, or somebody else is changing it (409); try again or choose another name",
    429: "too many requests (429); wait a few minutes",
}
