"""One class a peer. Each answers a batch of requests the best way its interface allows.

`generate(batch)` gives lists of ids; `classify(batch)` gives, for every request, the probability of each of
its task's labels, taken over the trie of the labels: the same numbers for every engine but for rounding.
"""

import json
from pathlib import Path

import numpy
from safetensors.numpy import load_file

from workloads import PROMPT_ROWS


class Trie:
    """A task's labels as the nodes at which there is a choice: {prefix: ids that may follow}."""

    def __init__(self, labels):
        self.labels = labels
        children = {}
        for label in labels:
            for length in range(len(label)):
                children.setdefault(tuple(label[:length]), set()).add(label[length])
        self.choices = {prefix: sorted(ids) for prefix, ids in children.items() if len(ids) > 1}

    def probabilities(self, logits):
        """`logits[prefix]` is the vector of logits after that prefix, for every prefix of `choices`."""
        steps = {}
        for prefix, ids in self.choices.items():
            values = numpy.asarray(logits[prefix], dtype=numpy.float64)[ids]
            values = numpy.exp(values - values.max())
            values /= values.sum()
            steps |= {(*prefix, id): value for id, value in zip(ids, values)}
        return [
            float(numpy.prod([steps.get(tuple(label[: end + 1]), 1.0) for end in range(len(label))]))
            for label in self.labels
        ]


class Engine:
    def __init__(self, root, workload_file, precision, threads):
        self.root, self.precision, self.threads = Path(root), precision, threads
        workload = json.loads(Path(workload_file).read_text())
        self.requests = workload["requests"]
        self.max_new_tokens = workload.get("max_new_tokens")
        self.tries = {task: Trie(labels) for task, labels in workload.get("labels", {}).items()}
        self.vocabulary = json.loads((self.root / "plain/config.json").read_text())["vocab_size"]
        self.load()

    def run(self, batch):
        requests = [self.requests[number] for number in batch]
        return self.classify(requests) if self.tries else self.generate(requests)

    def prompted_ids(self, request):
        """The request's ids after its prompt's, in the extended vocabulary."""
        first = self.vocabulary + int(request["task"].removeprefix("task")) * PROMPT_ROWS
        return [*range(first, first + PROMPT_ROWS), *request["input_ids"]]


class TorchLike(Engine):
    """What transformers, OpenVINO and ONNX Runtime share: optimum gives the latter two the same interface."""

    def generate(self, requests):
        # min_new_tokens is not given: the end of sequence cannot win, and a check at every step costs time.
        output = self.model.generate(
            **self.inputs(requests), max_new_tokens=self.max_new_tokens, do_sample=False, num_beams=1
        )
        return output[:, 1:].tolist()

    def classify(self, requests):
        """One pass of encoder and decoder: the decoder reads the one prefix at which labels branch."""
        tries = [self.tries[request["task"]] for request in requests]
        prefixes = [max(trie.choices, key=len) for trie in tries]
        longest = max(map(len, prefixes))
        start = [[0, *prefix, *[0] * (longest - len(prefix))] for prefix in prefixes]
        logits = self.logits(self.inputs(requests), self.torch.tensor(start)).float().numpy()
        answers = []
        for row, trie, prefix in zip(logits, tries, prefixes):
            # Every node with a choice lies on the way to the deepest one.
            assert all(prefix[: len(other)] == other for other in trie.choices)
            answers.append(trie.probabilities({other: row[len(other)] for other in trie.choices}))
        return answers

    def padded(self, sequences):
        longest = max(map(len, sequences))
        ids = self.torch.zeros(len(sequences), longest, dtype=self.torch.long)
        mask = self.torch.zeros_like(ids)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = self.torch.tensor(sequence)
            mask[row, : len(sequence)] = 1
        return ids, mask

    def inputs(self, requests):
        ids, mask = self.padded([self.prompted_ids(request) for request in requests])
        return {"input_ids": ids, "attention_mask": mask}

    def logits(self, inputs, decoder_ids):
        return self.model(**inputs, decoder_input_ids=decoder_ids).logits


class Transformers(TorchLike):
    def load(self):
        import torch
        from transformers import T5ForConditionalGeneration

        self.torch = torch
        torch.set_num_threads(self.threads)
        torch.set_flush_denormal(True)
        self.model = T5ForConditionalGeneration.from_pretrained(
            self.root / "plain", dtype=getattr(torch, self.precision)
        ).eval()
        self.prompts = {
            task: torch.from_numpy(rows).to(self.model.dtype)
            for task, rows in load_file(self.root / "prompts.safetensors").items()
        }

    def run(self, batch):
        with self.torch.inference_mode():
            return super().run(batch)

    def inputs(self, requests):
        """The prompts' rows before the embeddings of the text, as PEFT does it."""
        ids, mask = self.padded([request["input_ids"] for request in requests])
        prompts = self.torch.stack([self.prompts[request["task"]] for request in requests])
        rows = self.torch.cat([prompts, self.model.shared(ids)], dim=1)
        mask = self.torch.cat([self.torch.ones_like(mask[:, :1]).expand(-1, PROMPT_ROWS), mask], dim=1)
        return {"inputs_embeds": rows, "attention_mask": mask}


class OpenVINO(TorchLike):
    def load(self):
        import torch
        from optimum.intel import OVModelForSeq2SeqLM

        self.torch = torch
        settings = {
            "INFERENCE_NUM_THREADS": str(self.threads),
            "PERFORMANCE_HINT": "LATENCY",
            # int8 weights as well: what is not quantized runs in bfloat16 there.
            "INFERENCE_PRECISION_HINT": "bf16",
        }
        folder = self.root / f"openvino-{self.precision}"
        self.model = OVModelForSeq2SeqLM.from_pretrained(folder, ov_config=settings)


class ONNXRuntime(TorchLike):
    def load(self):
        import onnxruntime
        import torch
        from optimum.onnxruntime import ORTModelForSeq2SeqLM

        self.torch = torch
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        folder = self.root / f"onnxruntime-{self.precision}"
        self.model = ORTModelForSeq2SeqLM.from_pretrained(folder, session_options=options)


class CTranslate2(Engine):
    def load(self):
        import ctranslate2

        folder = str(self.root / f"ctranslate2-{self.precision}")
        # int8_float32 is what "int8" means on a processor; it is written out so that it cannot change.
        kind = {"int8": "int8_float32"}.get(self.precision, self.precision)
        self.translator = ctranslate2.Translator(
            folder, device="cpu", compute_type=kind, inter_threads=1, intra_threads=self.threads
        )

    def translate(self, requests, **options):
        sources = [[str(id) for id in self.prompted_ids(request)] for request in requests]
        return self.translator.translate_batch(sources, beam_size=1, **options)

    def generate(self, requests):
        results = self.translate(requests, max_decoding_length=self.max_new_tokens)
        return [[int(name) for name in result.hypotheses[0]] for result in results]

    def classify(self, requests):
        """Encodes once for each node at which there is a choice: its interface cannot keep encoder output.

        Scoring every label (`score_batch`) would encode once for each label.
        """
        tries = [self.tries[request["task"]] for request in requests]
        logits = [{} for _ in requests]
        for depth in range(max(len(prefix) for trie in tries for prefix in trie.choices) + 1):
            asked = [
                (number, prefix)
                for number, trie in enumerate(tries)
                for prefix in trie.choices
                if len(prefix) == depth
            ]
            results = self.translate(
                [requests[number] for number, _ in asked],
                target_prefix=[[str(id) for id in prefix] for _, prefix in asked] if depth else None,
                max_decoding_length=depth + 1,
                return_logits_vocab=True,
            )
            for (number, prefix), result in zip(asked, results):
                logits[number][prefix] = numpy.asarray(result.logits[0][-1])
        return [trie.probabilities(values) for trie, values in zip(tries, logits)]


ENGINES = {
    "transformers-bfloat16": (Transformers, "bfloat16"),
    "transformers-float32": (Transformers, "float32"),
    "ctranslate2-int8": (CTranslate2, "int8"),
    "ctranslate2-float32": (CTranslate2, "float32"),
    "openvino-bfloat16": (OpenVINO, "bfloat16"),
    "openvino-int8": (OpenVINO, "int8"),
    "onnxruntime-int8": (ONNXRuntime, "int8"),
}
