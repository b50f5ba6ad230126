"""Real speech audio: sentences spoken by espeak-ng, with pauses and a little noise."""

import io
import shutil
import subprocess
import wave
from typing import Final

import numpy as np
from numpy.typing import NDArray

from device.exit_code import ExitCode
from toolkit.errors import ToolkitError

Int16Array = NDArray[np.int16]

RATE_HZ: Final = 16_000
SENTENCES: Final = (
    "The pump in hall three runs hot, please look at the bearing.",
    "Two boards answered, the third one was silent all night.",
    "Okay Nabu, switch off the lights in the kitchen.",
    "A window of one hundred and twenty eight samples every half second.",
    "Nobody knows why the old firmware came back after the power cut.",
    "Bring the streams into line, then run the model once.",
)
_VOICES: Final = ("en-us", "en-gb", "en-us+f3", "en-gb+m4")
_WORDS_PER_MINUTE: Final = (130, 165, 190)
_TIMEOUT_S: Final = 30.0
_NOISE: Final = 30.0  # standard deviation in steps of 16 bits: a quiet room


class SpeakerMissingError(ToolkitError):
    """The program that speaks is not installed."""

    exit_code = ExitCode.MISSING

    def __init__(self) -> None:
        super().__init__(
            "espeak-ng: not installed; install it (on Debian: apt-get install espeak-ng)"
        )


def utterances(count: int, /, *, seed: int = 20260101) -> list[Int16Array]:
    """Return ``count`` recordings of 16 kHz mono audio, each shape (sample,), with pauses.

    Raises:
        SpeakerMissingError: espeak-ng is not installed.
    """
    random = np.random.default_rng(seed)
    recordings = []
    for number in range(count):
        spoken = speak(
            SENTENCES[number % len(SENTENCES)],
            voice=_VOICES[number % len(_VOICES)],
            words_per_minute=_WORDS_PER_MINUTE[number % len(_WORDS_PER_MINUTE)],
        )
        pauses = [np.zeros(int(seconds * RATE_HZ)) for seconds in random.uniform(0.6, 1.4, 2)]
        audio = np.concatenate([pauses[0], spoken, pauses[1]])
        audio += random.normal(0.0, _NOISE, len(audio))
        recordings.append(np.clip(audio, -32768, 32767).astype(np.int16))
    return recordings


def speak(sentence: str, /, *, voice: str, words_per_minute: int) -> Int16Array:
    """Return one spoken sentence, shape (sample,), 16 kHz."""
    from scipy.signal import resample_poly

    if shutil.which("espeak-ng") is None:
        raise SpeakerMissingError
    said = subprocess.run(
        ["espeak-ng", "--stdout", "-v", voice, "-s", str(words_per_minute), sentence],
        capture_output=True, check=True, timeout=_TIMEOUT_S,
    ).stdout  # fmt: skip
    with wave.open(io.BytesIO(said)) as stream:
        rate_hz = stream.getframerate()
        # espeak-ng cannot know the length when it writes to a pipe: the header says too much.
        samples = np.frombuffer(said[44 : len(said) // 2 * 2], "<i2")
    whole = resample_poly(samples.astype(np.float64), RATE_HZ, rate_hz)
    rounded: Int16Array = np.clip(np.rint(whole), -32768, 32767).astype(np.int16)
    return rounded
