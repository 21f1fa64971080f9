"""Trains a soft prompt with torch and PEFT in a process of its own, a step for each line of standard input.

Each line is answered with {"seconds", "loss" (before the step, the mean of an id), "memory" {"peak_bytes",
"step_peak_bytes"}}. The first line out says that the core is loaded.
"""

import argparse
import gc
import json
import os
import sys
import time
import warnings
from pathlib import Path

# The optimizer's settings are those of `polyprompt-train bench`.
LEARNING_RATE, WEIGHT_DECAY = 0.3, 1e-5
IGNORED = -100


def resident_peak():
    """The most bytes that this process has had resident."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None


def reset_resident_peak():
    """Lets the peak begin anew at what is resident now; False where Linux does not allow it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return True
    except OSError:
        return False


class Trainer:
    """Prompt tuning of PEFT on one batch, again and again: dropout off, AdamW, the prompt in float32."""

    def __init__(self, folder, batch, precision, rows):
        import torch
        from peft import PromptTuningConfig, TaskType, get_peft_model
        from transformers import T5ForConditionalGeneration

        self.torch = torch
        # Before torch starts threads, which take it over.
        torch.set_flush_denormal(True)
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        core = T5ForConditionalGeneration.from_pretrained(folder, dtype=getattr(torch, precision))
        core.config.use_cache = False
        prompt = torch.tensor(batch["prompt"])
        # One submodule: the prompt goes before the encoder's input only.
        config = PromptTuningConfig(
            task_type=TaskType.SEQ_2_SEQ_LM,
            num_virtual_tokens=len(prompt),
            num_transformer_submodules=1,
        )
        self.model = get_peft_model(core, config).eval()
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        assert [weight.shape for weight in trained] == [prompt.shape]
        with torch.no_grad():
            trained[0].copy_(prompt)
        self.optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.inputs = self.padded(batch["sequences"], rows - len(prompt) if rows else 0)
        gc.collect()

    def padded(self, sequences, length):
        """The batch padded to its longest text, or to this length."""
        length = max(length, *(len(sequence["input_ids"]) for sequence in sequences))
        answer = max(len(sequence["target_ids"]) for sequence in sequences)
        ids = self.torch.zeros(len(sequences), length, dtype=self.torch.long)
        mask = self.torch.zeros_like(ids)
        labels = self.torch.full((len(sequences), answer), IGNORED)
        for row, sequence in enumerate(sequences):
            text, target = sequence["input_ids"], sequence["target_ids"]
            ids[row, : len(text)] = self.torch.tensor(text)
            mask[row, : len(text)] = 1
            labels[row, : len(target)] = self.torch.tensor(target)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    def step(self):
        loss = self.model(**self.inputs).loss
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", help="a core")
    parser.add_argument("batch", type=Path)
    parser.add_argument("precision")
    parser.add_argument("--rows", type=int, help="pad prompt and text to so many rows")
    parser.add_argument("--cores", required=True, help="processor numbers, separated by commas")
    options = parser.parse_args()
    cores = [int(number) for number in options.cores.split(",")]
    # Before any library starts its threads, and so that none of them asks for more.
    os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = str(len(cores))
    os.environ["HF_HUB_OFFLINE"] = "1"
    warnings.filterwarnings("ignore")
    # Libraries that print must not disturb the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    batch = json.loads(options.batch.read_text())
    trainer = Trainer(options.folder, batch, options.precision, options.rows)
    load_peak = resident_peak()
    is_reset = reset_resident_peak()
    print(json.dumps({"loaded": options.precision}), file=answers, flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        loss = trainer.step()
        seconds = time.perf_counter() - begin
        step_peak = resident_peak()
        memory = {
            "peak_bytes": max(load_peak, step_peak),
            "step_peak_bytes": step_peak if is_reset else None,
        }
        print(json.dumps({"seconds": seconds, "loss": loss, "memory": memory}), file=answers, flush=True)


if __name__ == "__main__":
    main()
