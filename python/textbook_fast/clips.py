"""The corpus's original form: a sample as a conversation of video clips."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from textbook_fast import _core
from textbook_fast.errors import RecordError
from textbook_fast.sample import Sample

__all__ = ["Clip", "ClipSample"]

SEPARATOR = "\n<s>"
IMAGE_TOKEN = "<image>"  # noqa: S105
OCR_LEAD_IN = "We can see these words from the image by OCR: "
Kind: TypeAlias = Literal["clip", "end_of_video", "image_text_pair"]
KINDS: dict[object, Kind] = {
    "End of a Video": "end_of_video",
    "image_text_pair": "image_text_pair",
}
# What a sample of clips has only as an interleaved one.
INTERLEAVED = frozenset(
    ["images", "texts", "text_ocr_list", "image_num", "text_num", "token_num", "metadata"]
)


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a conversation.

    Attributes:
        kind: ``"clip"``, or what else its ``vid`` says: ``"end_of_video"``,
            ``"image_text_pair"``.
        vid: The YouTube id of the video, or None where it is no video's.
        keyframes: The paths of its keyframes (``keyframe_ssim``).
        speech: What is said: ``refined_asr``, else ``asr``; else empty.
        ocr: The words in its keyframes (``ocr_qwen2_vl_72b``), or empty.
        record: All of it, as it is in the file.
    """

    kind: Kind
    vid: str | None
    keyframes: list[str]
    speech: str
    ocr: str
    record: dict[str, Any]


class ClipSample(Sample):
    """A sample of clips, which is a `Sample` too: its fields are those of the interleaved
    form, for each clip its keyframes and then what is said.

    `texts` holds the speech alone, `text_ocr_list` the words in the keyframes as well.
    `raw` and `to_dict` give the record as it is in the file.
    """

    __slots__ = ("_interleaved",)

    _interleaved: _core.Record | None

    def _field(self, name: str) -> Any:
        if name not in INTERLEAVED:
            return super()._field(name)
        fields = self._fields
        if name not in fields:
            record = self._as_interleaved()
            try:
                fields[name] = getattr(record, name)
            except RecordError as error:
                raise error.at(self.index, self.source) from None
        return fields[name]

    def _as_interleaved(self) -> _core.Record:
        record = getattr(self, "_interleaved", None)
        if record is None:
            record = self._interleaved = self._interleave(ocr=False, separator=None)
        return record

    def _interleave(self, *, ocr: bool, separator: str | None) -> _core.Record:
        try:
            made = _core.interleave_clips(self._record, ocr=ocr, separator=separator)
        except RecordError as error:
            raise error.at(self.index, self.source) from None
        # A file of clips may hold an interleaved record, too.
        return self._record if made is None else made

    @property
    def clips(self) -> list[Clip]:
        """The clips, in order. Read anew at each access.

        Raises:
            RecordError: The record, or one of its clips, is broken.
        """
        self._as_interleaved()  # checks all that is read here
        return [_to_clip(record) for record in self.to_dict().get("conversations") or ()]

    def to_interleaved(
        self,
        *,
        ocr: bool = True,
        separator: str | None = SEPARATOR,
        drop_missing: bool = False,
    ) -> Sample:
        """The sample as the authors' training code puts it together.

        Args:
            ocr: Whether `texts`, too, has the words in the keyframes before what is said.
                `text_ocr_list` always has them.
            separator: A text of its own after each video and each image of an image-text
                pair; None for none. The authors' code makes the one after a video, too,
                but never adds it.
            drop_missing: Leave images out that are in none of the folders, as the
                authors' code does; else they are errors when they are touched.

        Raises:
            RecordError: The record, or one of its clips, is broken.

        """
        record = self._interleave(ocr=ocr, separator=separator)
        sample = Sample(record, self.index, self.source, self._reader, self._videos)
        return self._without_missing(sample) if drop_missing else sample

    def to_training_text(
        self, *, ocr: bool = True, image_token: str = IMAGE_TOKEN, separator: str = SEPARATOR
    ) -> str:
        """The one text that the authors' training code makes of the sample: ``Image:`` and
        the image token for each keyframe, in the order of `to_interleaved`.

        Images are not looked for. The separator comes after the images of image-text
        pairs only, as in the authors' code.
        """
        parts: list[str] = []
        for clip in self.clips:
            if clip.kind == "end_of_video":
                continue
            after = separator if clip.kind == "image_text_pair" else ""
            parts.extend(f"Image:{image_token}{after}" for _ in clip.keyframes)
            if ocr and clip.ocr:
                parts.append(f"\n{OCR_LEAD_IN}{clip.ocr.replace(image_token, 'image')}")
            if clip.speech:
                parts.append(f"\n{clip.speech.replace(image_token, 'image')}")
        return "".join(parts)

    def _without_missing(self, sample: Sample) -> Sample:
        record = sample.to_dict()
        store = self._reader.store
        paths = sample.image_paths
        kept = [k for k, path in enumerate(paths) if path is None or store.has(path)]
        for name in ("images", "texts", "text_ocr_list"):
            record[name] = [record[name][k] for k in kept]
        record["image_num"] = sum(path is not None for path in record["images"])
        made = _core.Record(json.dumps(record, ensure_ascii=True).encode())
        return Sample(made, self.index, self.source, self._reader, self._videos)


def _to_clip(record: dict[str, Any]) -> Clip:
    vid = record.get("vid")
    kind: Kind = KINDS.get(vid, "clip")
    return Clip(
        kind=kind,
        vid=vid if kind == "clip" and isinstance(vid, str) else None,
        keyframes=list(record.get("keyframe_ssim") or ()),
        speech=record.get("refined_asr") or record.get("asr") or "",
        ocr=record.get("ocr_qwen2_vl_72b") or "",
        record=record,
    )
