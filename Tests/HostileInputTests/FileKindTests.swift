import TestSupport
import Testing

/// Named pipes, sockets, directories and devices in place of files, and files that shrink while they are in use.
@Suite struct FileKindTests {
    /// `put KIND PATH` makes one of them; `within …` gives a command five seconds and prints what it complains of.
    private static let prelude = """
        put() { rm -rf $2; case $1 in
          pipe) mkfifo $2;; directory) mkdir $2;; device) ln -s /dev/zero $2;;
          socket) python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('$2')";; esac; }
        within() { timeout 5 "$@" >$W/out 2>$W/err </dev/null; s=$?; [ $s = 1 ] || echo "status $s"; failure; }

        """

    private static let kinds = ["named pipe", "socket", "directory", "device"]

    private static func refused(
        _ name: String, _ command: String, in folder: String, _ file: String
    ) -> ScriptCase {
        ScriptCase(
            name,
            prelude
                + kinds.map { kind in
                    "put \(kind.split(separator: " ").last ?? "") $W/\(folder)/\(file)\n\(command)"
                }.joined(separator: "\n"),
            prints: kinds.map { kind in
                "Error: \(folder)/\(file) is a \(kind); a regular file was expected"
            }.joined(separator: "\n"))
    }

    private static let coreFiles = [
        "config.json", "model.safetensors", "spiece.model", "tokenizer_config.json",
    ].map { file in
        let command = "within $P run --threads 1 --core $W/core"
        var test = refused(file, command, in: "core", file)
        test.commands = "cp -r $C $W/core\n" + test.commands
        return test
    }

    private static let taskFiles = ["task.json", "prompt.safetensors"].map { file in
        var test = refused(
            file, "within $P prompts register --threads 1 --core $C --store $W/store $W/task", in: "task",
            file)
        test.commands = "cp -r prompts/spam $W/task\n" + test.commands
        return test
    }

    private static let others = [
        ScriptCase(
            "a checkpoint's index, a bare prompt, a sample, a task to be trained",
            prelude + """
                cp -r $C $W/core; rm $W/core/model.safetensors; mkfifo $W/core/model.safetensors.index.json $W/p.npy
                within $P run --threads 1 --core $W/core
                within $P prompts register --threads 1 --core $C --store $W/store --name p $W/p.npy
                mkdir $W/tasks; cp -r prompts/spam $W/tasks; put pipe $W/tasks/spam/sample.jsonl
                within $P demo --threads 1 --core $C --prompts $W/tasks
                within $T fit --threads 1 --core $C --task $W/p.npy --train $W/in --out $W/run
                """,
            prints: [
                "core/model.safetensors.index.json", "p.npy", "tasks/spam/sample.jsonl", "p.npy",
            ].map { "Error: \($0) is a named pipe; a regular file was expected" }.joined(separator: "\n")),
        ScriptCase(
            "what is larger than its limit",
            prelude + """
                cp -r $C $W/core; truncate -s 20M $W/core/config.json; within $P run --threads 1 --core $W/core
                cp -r prompts/spam $W/task; truncate -s 20M $W/task/task.json
                within $P prompts register --threads 1 --core $C --store $W/store $W/task
                head -c 20M /dev/zero >$W/zeros
                (exec 8< <(cat $W/zeros); within $T fit --config /dev/fd/8 --out $W/run)
                """,
            prints: """
                Error: core/config.json has 20971520 bytes; at most 16777216 can be read
                Error: task/task.json has 20971520 bytes; at most 16777216 can be read
                Error: /dev/fd/8 has more than the 16777216 bytes that can be read
                """),
        ScriptCase(
            "what is read once from front to back may be a pipe",
            """
            run --input <(cat $W/in) >$W/out; answers $W/out
            $T convert --data-set boolq <(echo '{"question":"q","passage":"p","idx":0,"label":true}') 2>/dev/null
            """, prints: "1\n{\"passage\":\"p\",\"question\":\"q\",\"label\":\"true\"}"),
    ]

    @Test("what is no file is refused at once, by its name", arguments: coreFiles + taskFiles + others)
    func kinds(_ test: ScriptCase) throws { try test.check() }

    @Test("a file that shrinks ends the process with a message", arguments: ["float32", "bfloat16"])
    func shrinking(precision: String) throws {
        try ScriptCase(
            precision,
            """
            cp -r $C $W/core; mkfifo $W/pipe
            $P run --threads 1 --precision \(precision) --core $W/core --input $W/pipe >$W/answers 2>$W/err & p=$!
            exec 9>$W/pipe; cat $W/in >&9; until [ -s $W/answers ]; do sleep 0.02; done
            truncate -s 4096 $W/core/model.safetensors; cat $W/in >&9; exec 9>&-; wait $p; echo $?; failure
            """,
            prints: """
                1
                Error: core/model.safetensors was cut short while it was in use, or its disk cannot be read
                """
        ).check()
    }
}
