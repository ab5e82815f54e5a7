"""Believable names: workloads, pods, users, runtime processes; no name is given twice in a world."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.world.seeds import stream, suffix

# Last parts are never 6 to 10 letters or digits, or a Job's pod would look like a ReplicaSet's.
_NAMES: dict[str, tuple[str, ...]] = {
    "training": ("llama-pretrain-7b", "moe-pretrain-8x3b", "vision-lm-13b", "speech-base-v2", "code-model-15b",
                 "protein-lm-3b", "video-diff-2b", "mix-of-depths-9b", "long-ctx-70b", "tokenizer-ablation-1b"),
    "tuning": ("sft-support-v4", "dpo-chat-v3", "lora-legal-v1", "rlhf-code-v2", "distill-edge-v5", "sft-finance-v2",
               "grpo-math-v1", "lora-medic-v3"),
    "serving": ("chat-70b", "embed-large", "rerank-v2", "asr-stream", "vision-tag", "translate-12b", "summarize-8b",
                "moderate-v3", "code-complete", "tts-fast", "search-encoder", "doc-qa-13b"),
    "tag": ("ranker-v3", "fraud-gnn", "ads-ctr", "feed-ranker", "price-opt", "spam-net"),
    "sweep": ("lr-sweep-run4", "hpo-sweep-run9", "batch-sweep-run2", "depth-sweep-run7"),
}  # fmt: skip
_USERS = ("anna", "bela", "carlo", "dora", "elif", "femi", "gita", "hugo", "ines", "jonas", "keiko", "luis")


@dataclass
class Namer:
    """Hands out names of one block, each once."""

    seed: int
    block: int
    taken: set[str] = field(default_factory=set)

    def workload(self, family: str) -> str:
        """A workload's own name, as its Deployment, Job or StatefulSet would carry it."""
        return self._fresh(family, _NAMES[family])

    def user(self) -> str:
        """A person with a notebook."""
        return self._fresh("user", _USERS)

    def process(self, *keys: object) -> int:
        """A process id."""
        return stream(self.seed, self.block, "pid", *keys).randrange(2000, 900000)

    def _fresh(self, family: str, pool: tuple[str, ...]) -> str:
        tail = f"-b{self.block}" if self.block else ""
        free = [name + tail for name in pool if name + tail not in self.taken]
        choice = stream(self.seed, self.block, family, len(self.taken)).choice(free)
        self.taken.add(choice)
        return choice


def deployment_pod(name: str, *keys: object) -> str:
    """A pod of a Deployment: name, ReplicaSet hash, suffix."""
    return f"{name}-{suffix(9, name, 'set', *keys)}-{suffix(5, name, 'pod', *keys)}"


def job_pod(name: str, *keys: object) -> str:
    """A pod of a Job: name and suffix."""
    return f"{name}-{suffix(5, name, 'job', *keys)}"


def indexed_job_pod(name: str, index: int) -> str:
    """A pod of an indexed Job: name, index, suffix."""
    return f"{name}-{index}-{suffix(5, name, 'indexed', index)}"


def ordinal_pod(name: str, ordinal: int) -> str:
    """A pod of a StatefulSet: name and ordinal."""
    return f"{name}-{ordinal}"
