import Foundation
import JSON
import TestSupport
import Testing

/// Trainers that are killed, that have no room, or that would find out at their end what could be known at the beginning.
@Suite("Faults around a trainer")
struct TrainingFaultTests {
    let folder: TemporaryFolder
    /// A run that is quick, but for its number of steps.
    private let fit =
        #"tiny=Tests/T5Tests/Golden/byt5-like; fit="$T fit --core $tiny --task prompts/spam/task.json --train prompts/spam/sample.jsonl --dev prompts/spam/sample.jsonl --threads 1 --batch 2 --rows 3 --method prompt"; "#

    init() throws { folder = try TemporaryFolder() }

    private func script(_ commands: String) throws -> Command {
        try Command.script(fit + commands, in: folder)
    }

    @Test(
        "killed at any moment, one command that is started again and again ends as if it had been started once"
    )
    func killed() throws {
        let result = try script(
            #"""
            $fit --steps 600 --out $W/whole >/dev/null 2>&1 || exit 90
            killed=0
            # A checkpoint is all that is sure to be kept; each start gets a little further than the first step.
            for i in 0.02 0.2 0.4 0.5 0.6 0.7 0.8; do
                $fit --steps 600 --out $W/parts --resume >/dev/null 2>&1 & process=$!
                sleep $i; kill -9 $process 2>/dev/null && killed=$((killed + 1)); wait $process 2>/dev/null
            done
            echo killed $killed
            $fit --steps 600 --out $W/parts --resume >/dev/null || exit 91
            cmp $W/whole/prompt.safetensors $W/parts/prompt.safetensors || exit 92
            ls -A $W/parts
            """#)
        #expect(result.status == 0, "\(result.output) \(result.errors)")
        #expect(!result.output.contains("killed 0"))
        let left = Set(result.output.split(separator: "\n").dropFirst().map(String.init))
        #expect(
            left == [
                "task.json", "prompt.safetensors", "card.md", "curves.svg", "log.jsonl", "result.json",
                "train.json",
            ])
    }

    @Test("a checkpoint that was cut off is refused by name")
    func cutCheckpoint() throws {
        let result = try script(
            #"""
            $fit --steps 1000000 --out $W/o >/dev/null 2>$W/err & process=$!
            while [ ! -e $W/o/checkpoint.safetensors ] && kill -0 $process; do sleep 0.01; done; kill -INT $process; wait $process; echo "stopped $?"
            truncate -s 1000 $W/o/checkpoint.safetensors
            $fit --steps 1000000 --out $W/o --resume; echo "cut $?"
            """#)
        #expect(result.output == "stopped 130\ncut 1\n", "\(result.output) \(result.errors)")
        #expect(result.errors.contains("checkpoint.safetensors") && result.errors.contains("--overwrite"))
    }

    @Test("a terminal that goes away ends no run that was started with nohup")
    func nohup() throws {
        let result = try script(
            #"""
            nohup $fit --steps 600 --out $W/o >$W/out 2>/dev/null & process=$!
            while [ ! -e $W/o/checkpoint.safetensors ] && kill -0 $process 2>/dev/null; do sleep 0.01; done
            kill -HUP $process 2>/dev/null; wait $process; echo "status $?"
            """#)
        #expect(result.output == "status 0\n", "\(result.output) \(result.errors)")
    }

    @Test("what would be refused at the end is refused at once, and an output before anything is computed")
    func refusedAtOnce() throws {
        try folder.write("file", "")
        let result = try script(
            #"""
            # None of them ends in time if it computes first.
            try() { timeout 20 "$@" >$W/out 2>$W/err; echo "$? $(wc -c <$W/out) $(tail -1 $W/err)"; }
            try $fit --steps 1000000 --out $W/a --store $W/s --publish Urg
            try $fit --steps 1000000 --out $W/a --store $W/file --publish urg
            try $fit --steps 1000000 --out $W/file
            try $fit --steps 1000000 --out $W/a --test $W/nothing.jsonl
            try $fit --steps 1000000 --out /proc/a
            try $T bench --core $C --rounds 1000000 --json /nowhere/x
            try $P bench mixed --core $C --rounds 1000000 --json /nowhere/x
            try $P bench kernels --core $C --rounds 1000000 --precision int8
            try $T evaluate --core $C --store $W/none --task spam --data prompts/spam/sample.jsonl
            $P prompts register --core $C --store $W/s prompts/spam >/dev/null
            try $T evaluate --core $C --store $W/s --task spam --data prompts/spam/sample.jsonl --predictions /nowhere/x
            try $T evaluate --core $C --store $W/s --task spam --data prompts/spam/sample.jsonl --combine mean --publish Urg
            try $T adapt --core $C --text README.md --steps 1000000 --out $W/file
            try $T adapt --core $C --text README.md --steps 1000000 --out /nowhere/x
            try $T adapt --core random:t5-small --text README.md --steps 1000000 --out $W/b
            cp prompts/spam/sample.jsonl $W/rows.jsonl
            try $T convert --data-set boolq $W/rows.jsonl --output $W/rows.jsonl
            try $T convert --data-set boolq $W/rows.jsonl --output /nowhere/x
            cmp $W/rows.jsonl prompts/spam/sample.jsonl && ls $W/a $W/b
            """#)
        let lines = result.output.split(separator: "\n")
        let expected = [
            "Urg", "file", "file", "nothing.jsonl", "/proc", "/nowhere/x", "/nowhere/x", "--help", "none",
            "/nowhere/x",
            "--help",
            "file", "/nowhere", "random:t5-small", "--help", "/nowhere/x",
        ]
        #expect(lines.count == expected.count, "\(result.output)")
        for (line, what) in zip(lines, expected) {
            let parts = line.split(separator: " ", maxSplits: 2)
            #expect(["1", "64"].contains(parts[0]) && parts[1] == "0" && parts[2].contains(what), "\(line)")
        }
    }

    @Test("a prompt whose answers are no numbers has no score")
    func notFiniteScores() throws {
        try folder.makeFolder("huge")
        try folder.write(
            "huge/task.json",
            try String(contentsOfFile: Repository.prompt("spam") + "/task.json", encoding: .utf8))
        try folder.write(
            "huge/prompt.safetensors",
            TensorFile.safetensors([
                (
                    "prompt_embeddings",
                    FileTensor(shape: [2, 256], values: [Float](repeating: 3e38, count: 512))
                )
            ]))
        let result = try script(
            #"""
            $P prompts register --core $C --store $W/s --name huge $W/huge >/dev/null || exit 90
            $T evaluate --core $C --store $W/s --task huge --data prompts/spam/sample.jsonl; echo "status $?"
            """#)
        #expect(
            result.output == "status 1\n" && result.errors.contains("huge"),
            "\(result.output) \(result.errors)")
    }

    @Test("an adaptation that is killed, changed or finished")
    func adaptation() throws {
        let result = try script(
            #"""
            for i in $(seq 50); do echo "the quick brown fox jumps over the lazy dog while the clock strikes $i ."; done >$W/text
            adapt="$T adapt --core $tiny --text $W/text --batch 2 --length 16 --threads 1"
            $adapt --steps 1500 --out $W/whole >$W/outcome 2>/dev/null || exit 90
            $adapt --steps 1500 --out $W/parts --resume >/dev/null 2>&1 & process=$!
            while [ ! -e $W/parts.checkpoint.safetensors ] && kill -0 $process; do sleep 0.01; done
            kill -9 $process; wait $process 2>/dev/null
            $adapt --steps 1500 --out $W/parts 2>&1 | grep -c -- --overwrite
            $adapt --steps 1500 --seed 3 --out $W/parts --resume 2>&1 | grep -c "its seed was 0, not 3"
            cp $W/text $W/old; echo more >>$W/text
            $adapt --steps 1500 --out $W/parts --resume 2>&1 | grep -c "other text"
            cp $W/old $W/text
            $adapt --steps 1500 --out $W/parts --resume >/dev/null 2>&1 || exit 91
            cmp $W/whole/model.safetensors $W/parts/model.safetensors || exit 92
            $adapt --steps 1500 --out $W/whole --resume 2>$W/err | cmp - $W/outcome && grep -c finished $W/err
            $adapt --steps 1501 --out $W/whole --resume 2>&1 | grep -c "its steps was 1500, not 1501"
            ls -A $W
            """#)
        #expect(result.status == 0, "\(result.output) \(result.errors)")
        #expect(
            result.output
                == "1\n1\n1\n1\n1\n"
                + ["err", "old", "outcome", "parts", "text", "whole"].joined(separator: "\n") + "\n",
            "\(result.output) \(result.errors)")
    }

    static let cannotMount: Comment = "this system lets the tests mount nothing, not even for themselves"
    static let canMount =
        (try? Command.run(
            "/usr/bin/unshare", ["--map-root-user", "--mount", "/bin/sh", "-c", "mount -t tmpfs tmpfs /mnt"]))?
        .status == 0

    @Test("a disk without room is refused before the first step", .enabled(if: canMount, cannotMount))
    func noRoom() throws {
        try folder.makeFolder("disk")
        let result = try Command.script(
            #"""
            export T C W
            unshare --map-root-user --mount /bin/bash -c 'mount -t tmpfs -o size=300k tmpfs $W/disk
            timeout 20 $T fit --core $C --task prompts/spam/task.json --train prompts/spam/sample.jsonl --steps 1000000 --out $W/disk/o
            echo "status $?"; ls $W/disk'
            """#, in: folder)
        #expect(result.output == "status 1\n", "\(result.output)")
        #expect(result.errors.contains("KiB free"), "\(result.errors)")
    }
}
