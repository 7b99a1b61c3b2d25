"""What an asset's normal running looks like, learnt in closed form from unlabelled rows.

Each tag is standardised and smoothed at several time scales; per scale a mean and a shrunk precision matrix say how far
the smoothed tags are from normal together. The scores of rows that the fit has not seen (contiguous blocks, each scored
by the others) set the unit of the score, and later the threshold.
"""

import io
import itertools
import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.sdk.errors import FieldgateError

F8 = NDArray[np.float64]

SPANS: Final = (3, 15, 60)  # rows; EWMA with alpha = 2 / (span + 1)
CLIP: Final = 50.0  # standard deviations; one wild value must not fill the slow scales for hours
FOLDS: Final = 10
UNIT: Final = 0.99  # quantile of the out-of-fold scores that becomes 1
VERSION: Final = 1
HEADER: Final = struct.Struct(">HI")  # version, CRC-32 of what follows
SEEN: Final = 0.1  # share of good rows without which a tag is unknown
BLOCK: Final = 256  # rows that the EWMA takes at a time


class CalibrationError(FieldgateError):
    """Stored bytes that are no calibration of this version and shape."""


@dataclass(frozen=True)
class Calibration:
    """The parameters of one asset of D tags at K scales.

    Attributes:
        spans: i8[K], rows.
        m: f8[D], mean; in f8, for a meter reading of 1e8 does not survive f4.
        s: f8[D], standard deviation; of a constant tag 5 % of its value; infinite for a tag that was never good.
        mu: f4[K, D], mean of the smoothed tags.
        P: f4[K, D, D], precision of the smoothed tags.
        w: f4[K], largest eigenvalue of P scaled to a diagonal of ones; it limits the steps in which bad tags fade.
        c: f4[K], the distance that counts as 1.
        scores: f4[n], out-of-fold scores of the rows, in their order.
        last: f4[K, D], the smoothed tags after the last row.
    """

    spans: NDArray[np.int64]
    m: F8
    s: F8
    mu: NDArray[np.float32]
    P: NDArray[np.float32]
    w: NDArray[np.float32]
    c: NDArray[np.float32]
    scores: NDArray[np.float32]
    last: NDArray[np.float32]

    @property
    def width(self) -> int:
        """Number of tags, D."""
        return len(self.m)

    def serialise(self) -> bytes:
        """As bytes, for the state store; the same calibration gives the same bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **vars(self))
        body = buffer.getvalue()
        return HEADER.pack(VERSION, zlib.crc32(body)) + body

    @classmethod
    def deserialise(cls, data: bytes) -> "Calibration":
        """From bytes. Raises CalibrationError."""
        if len(data) < HEADER.size:
            raise CalibrationError("stored calibration is cut off")
        version, crc = HEADER.unpack_from(data)
        if version != VERSION:
            raise CalibrationError(f"stored calibration is of version {version}, this gateway reads {VERSION}")
        body = data[HEADER.size :]
        if zlib.crc32(body) != crc:
            raise CalibrationError("stored calibration is damaged")
        with np.load(io.BytesIO(body), allow_pickle=False) as stored:
            return cls(**stored)


def alphas(spans: NDArray[np.int64] | tuple[int, ...]) -> F8:
    """f8[K], the weight that a new row has at each scale."""
    return 2.0 / (np.asarray(spans) + 1.0)


def fit(x: F8, spans: tuple[int, ...] = SPANS) -> Calibration:
    """Learn from x[n, D], rows in the order of time, NaN where a tag was bad. Half a second for 1e5 rows of 8 tags."""
    m, s, flat = _standard(x)
    z = np.clip((x - m) / s, -CLIP, CLIP)
    scales = [_scale(z, flat, span) for span in spans]
    mu, precision, c, scores, last = (np.array(column) for column in zip(*scales, strict=True))
    f4 = np.float32
    return Calibration(
        spans=np.array(spans, np.int64),
        m=m,
        s=s,
        mu=mu.astype(f4),
        P=precision.astype(f4),
        w=np.array([_stiffness(p) for p in precision], f4),
        c=c.astype(f4),
        scores=np.sqrt((scores**2).mean(axis=0)).astype(f4),
        last=last.astype(f4),
    )


def _standard(x: F8) -> tuple[F8, F8, NDArray[np.bool_]]:
    """Mean and standard deviation of each tag, and which have none of their own; see Calibration for those."""
    good = ~np.isnan(x)
    count = np.maximum(good.sum(axis=0), 1)
    m = np.where(good, x, 0.0).sum(axis=0) / count
    s = np.sqrt((np.where(good, x - m, 0.0) ** 2).sum(axis=0) / count)
    low, high = np.where(good, x, np.inf).min(axis=0), np.where(good, x, -np.inf).max(axis=0)
    flat, seen = high <= low, good.mean(axis=0) >= SEEN
    s = np.where(flat, np.maximum(0.05 * np.abs(m), 0.01), s)
    return m, np.where(seen, s, np.inf), flat | ~seen


def _scale(z: F8, flat: NDArray[np.bool_], span: int) -> tuple[F8, F8, float, F8, F8]:
    """Mean, precision, unit, out-of-fold scores in that unit, and last value of the tags smoothed over `span`."""
    n, alpha = len(z), 2.0 / (span + 1)
    start = np.nan_to_num(_mean(z[: max(1, min(span, n // 10))]))
    smooth = ewma(z, alpha, start)
    warm = min(n // 5, span)
    rows = smooth[warm:]
    floor: F8 = np.where(
        flat, alpha / (2 - alpha), 0.0
    )  # a constant tag counts as white noise, smoothed like the others
    mu, precision = _normal(rows, floor)
    scores = _out_of_fold(rows, floor)
    unit = max(float(np.quantile(scores, UNIT)), z.shape[1] ** -0.5)  # at least one tag by one standard deviation
    padded = np.concatenate([np.full(warm, np.median(scores)), scores]) / unit
    return mu, precision, unit, padded, smooth[-1]


def _mean(z: F8) -> F8:
    good = ~np.isnan(z)
    mean: F8 = np.where(good, z, 0.0).sum(axis=0) / np.maximum(good.sum(axis=0), 1)
    return mean


def ewma(z: F8, alpha: float, start: F8) -> F8:
    """Smooth z[n, D] along its rows from start[D]; a NaN leaves the mean of its tag as it is."""
    good = ~np.isnan(z)
    if good.all():
        return _ewma(z, alpha, start)
    out = np.empty_like(z)
    for j in range(z.shape[1]):
        mask = good[:, j]
        known = np.concatenate([start[j : j + 1], _ewma(z[mask, j : j + 1], alpha, start[j : j + 1])[:, 0]])
        out[:, j] = known[np.cumsum(mask)]
    return out


def _ewma(z: F8, alpha: float, start: F8) -> F8:
    """The recursion, a block of rows at a time: within a block it is one product with a triangular matrix."""
    steps = np.arange(BLOCK)
    decay = (1 - alpha) ** (steps + 1)
    kernel = np.tril(alpha * (1 - alpha) ** np.maximum(steps[:, None] - steps, 0))
    out, carry = np.empty_like(z), start
    for i in range(0, len(z), BLOCK):
        block = z[i : i + BLOCK]
        n = len(block)
        out[i : i + n] = kernel[:n, :n] @ block + decay[:n, None] * carry
        carry = out[i + n - 1]
    return out


def _normal(rows: F8, floor: F8) -> tuple[F8, F8]:
    """Mean and shrunk precision of rows[n, D], with floor[D] added to their variance."""
    mu = rows.mean(axis=0)
    covariance = ledoit_wolf(rows - mu) + np.diag(floor)
    d = len(mu)
    ridge = 1e-3 * np.trace(covariance) / d + 1e-4
    return mu, np.linalg.inv(covariance + ridge * np.eye(d))


def _stiffness(precision: F8) -> float:
    root = np.sqrt(np.diag(precision))
    return float(np.linalg.eigvalsh(precision / np.outer(root, root))[-1])


def ledoit_wolf(centred: F8) -> F8:
    """Covariance shrunk towards a multiple of the identity (Ledoit and Wolf 2004), of centred[n, D]."""
    n, d = centred.shape
    sample = centred.T @ centred / n
    target: F8 = np.trace(sample) / d * np.eye(d)
    spread = float(((sample - target) ** 2).sum())
    if spread <= 0:
        return target
    noise = float(((centred**2).sum(axis=1) ** 2).sum() / n**2 - (sample**2).sum() / n)
    shrink = min(max(noise, 0.0), spread) / spread
    covariance: F8 = (1 - shrink) * sample + shrink * target
    return covariance


def distance(rows: F8, mu: F8, precision: F8) -> F8:
    """f8[n], root of the mean squared distance per tag of rows[n, D] from mu."""
    d = rows - mu
    squared: F8 = ((d @ precision) * d).sum(axis=1) / rows.shape[1]
    root: F8 = np.sqrt(np.maximum(squared, 0.0))
    return root


def _out_of_fold(rows: F8, floor: F8) -> F8:
    """Distances of each of the contiguous blocks from what the others say is normal."""
    cuts = np.linspace(0, len(rows), FOLDS + 1).astype(int)
    scores = np.empty(len(rows))
    for a, b in itertools.pairwise(cuts):
        scores[a:b] = distance(rows[a:b], *_normal(np.concatenate([rows[:a], rows[b:]]), floor))
    return scores
