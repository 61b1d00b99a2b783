"""What the Hub's client raises, in one line that says what to do."""

import os
import re
import ssl
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from json import JSONDecodeError

from camloss.errors import CamlossError, quoted, require, without_passwords

LONGEST = 300  # characters of a message
WITHOUT_XET = "set HF_HUB_DISABLE_XET=1"
NUMBERS = ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT")  # read while the client is imported: a traceback


def later(loading: bool) -> str:
    """What to do where the Hub is at fault; what is pushed is in no cache."""
    return f"try again later{', or set HF_HUB_OFFLINE=1 to use what is in the cache' if loading else ''}"


def check_environment(environment: Mapping[str, str] = os.environ) -> None:
    """Raises CamlossError where the Hub's client is missing, or a variable would keep it from being imported."""
    require("huggingface_hub")
    for name in NUMBERS:
        text = environment.get(name, "10")
        if not (text.isdecimal() and len(text) < 8):
            raise CamlossError(f"{name} is {quoted(text)}; set it to a whole number of seconds, or unset it")
    endpoint = environment.get("HF_ENDPOINT", "https://huggingface.co")
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", endpoint):
        raise CamlossError(
            f"HF_ENDPOINT is {quoted(endpoint)}; set it to an address such as https://huggingface.co, or unset it"
        )


def check_repo_id(repo_id: str) -> None:
    """Raises CamlossError unless it is USER/NAME, spelled as the Hub allows."""
    check_environment()
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo_id)
        if "/" not in repo_id:
            raise HFValidationError("the user is missing")
    except HFValidationError as error:
        raise CamlossError(
            f"{repo_id[:100]!r} is no name for a repository; expected USER/NAME of letters, digits, '-', '_' and '.'"
        ) from error


@contextmanager
def one_line_errors(what: str, loading: bool = False) -> Iterator[None]:
    """Turn whatever the Hub's client raises into one line that says what failed, why, and what to do.

    Args:
        what: what was tried, such as "push to user/name".
        loading: from the Hub, rather than to it.

    Raises:
        CamlossError: with at most `LONGEST` characters.
    """
    check_environment()
    try:
        yield
    except CamlossError:
        raise
    except Exception as error:  # the client checks nothing of what the Hub answers: TypeError and KeyError are usual
        told = without_passwords(f"cannot {what[:120]}: {_reason(error, loading)}")
        raise CamlossError(told[:LONGEST]) from error


def _reason(error: BaseException, loading: bool) -> str:
    import httpx2
    from huggingface_hub import constants, errors

    again, endpoint = later(loading), constants.ENDPOINT[:60]
    reason = next(filter(None, (_deep_reason(cause, endpoint, again) for cause in _causes(error))), None)
    if reason:
        return reason
    if isinstance(error, errors.LocalEntryNotFoundError | RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, errors.HfHubHTTPError):
        return _status_reason(error, loading)
    check = f"check HF_ENDPOINT, or {again}"
    reasons: dict[type[BaseException] | tuple[type[BaseException], ...], str] = {  # the first that fits
        errors.HFValidationError: "a repository's name is USER/NAME, of letters, digits, '-', '_' and '.'",
        errors.LocalTokenNotFoundError: "there is no token; run `hf auth login` or set HF_TOKEN",
        errors.OfflineModeIsEnabled: "it is not in the cache, and HF_HUB_OFFLINE is set; unset it",
        errors.LocalEntryNotFoundError: "it is not in the cache; connect to a network",
        httpx2.TimeoutException: f"{endpoint} does not answer; {again}",
        httpx2.ConnectError: f"{endpoint} cannot be reached; check the network, or {again}",
        httpx2.TooManyRedirects: f"{endpoint} sends from one address to another without end; {check}",
        httpx2.HTTPError: f"the connection to {endpoint} broke off; try again",
        JSONDecodeError: f"{endpoint} answers with something that is no JSON, perhaps the page of a network that "
        "wants a login; open it in a browser",
        (LookupError, TypeError, AttributeError, RecursionError): f"{endpoint} gives an answer that makes no sense "
        f"({type(error).__name__}); {check}",
    }
    for kind, reason in reasons.items():
        if isinstance(error, kind):
            return reason
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}; free space, or let HF_HOME name another folder"
    if is_in_xet(traceback.extract_tb(error.__traceback__)):  # it has no type of its own
        return f"the Hub's Xet storage fails; {WITHOUT_XET}, or {again}"
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    told = "the file arrived incomplete" if lines[0].startswith("Consistency check failed") else " ".join(lines)
    return f"{told[:120].rstrip('.')}; try again"


def is_in_xet(frames: traceback.StackSummary) -> bool:
    """Whether the Hub's client is at work with its Xet storage there."""
    return any("xet" in frame.name for frame in frames)


def _deep_reason(cause: BaseException, endpoint: str, again: str) -> str | None:
    """Of what lies below the errors that the client raises, what alone tells what to do."""
    import httpx2

    if isinstance(cause, ssl.SSLCertVerificationError):
        why = cause.verify_message or cause.reason
        return f"the certificate of {endpoint} is not to be trusted ({why}); let SSL_CERT_FILE name the right one"
    if isinstance(cause, ssl.SSLError):
        return f"{endpoint} speaks no TLS that this machine takes ({cause.reason}); check HF_ENDPOINT, or {again}"
    if isinstance(cause, UnicodeEncodeError | httpx2.LocalProtocolError):  # no other text of the user is in a header
        return "the token holds characters that no token has; correct HF_TOKEN, or run `hf auth login`"
    if isinstance(cause, httpx2.RemoteProtocolError) and not re.search("disconnected|closed", str(cause)):
        return f"{endpoint} gives an answer that is no HTTP ({str(cause)[:60]}); check HF_ENDPOINT, or {again}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status_reason(error: "Exception", loading: bool) -> str:
    from huggingface_hub import errors

    response = error.response  # type: ignore[attr-defined]
    status = response.status_code
    reasons: dict[type[Exception], str] = {
        errors.GatedRepoError: f"it is gated ({status}); ask for access on its page on the Hub, and give the token of "
        "that account",
        errors.DisabledRepoError: f"the Hub has disabled it ({status}); its page on the Hub may say why",
        errors.RevisionNotFoundError: "there is no such revision; look for its name on the repository's page",
        errors.RemoteEntryNotFoundError: "the repository has no such file, so it is no pair; push one with "
        "`camloss push`",
    }
    for kind, reason in reasons.items():
        if isinstance(error, kind):
            return reason
    if status == 401 and "authorization" in response.request.headers:
        return "the Hub does not accept the token (401); run `hf auth login` or correct HF_TOKEN"
    if 500 <= status < 600:
        return f"the Hub is in trouble ({status}); {later(loading)}"
    said = " ".join((getattr(error, "server_message", None) or "").split())[:100]
    by_status = {**STATUS_REASONS, **(LOADING_REASONS if loading else {})}
    return by_status.get(status, f"the Hub refuses ({status}{': ' if said else ''}{said})")


STATUS_REASONS = {
    401: "the Hub wants a token (401); run `hf auth login` or set HF_TOKEN, or correct the name",
    402: "the Hub wants payment (402): on a free account a Gradio Space runs on ZeroGPU only; "
    "add --hardware zero-a10g, or upgrade the account",
    403: "the token may not do that (403); make one that may write there, on the Hub under Settings, Access Tokens",
    404: "there is no such repository, or it is private (404); correct the name or run `hf auth login`",
    409: "it exists, or somebody else is changing it (409); try again or choose another name",
    412: "somebody else pushed at the same time (412); push again",
    429: "too many requests (429); wait a few minutes",
}
LOADING_REASONS = {
    402: "the Hub wants payment (402); see its page on the Hub",
    403: "the token may not read that (403); give one that may, made on the Hub under Settings, Access Tokens",
}
