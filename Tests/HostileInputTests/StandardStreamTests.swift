import Foundation
import JSON
import TestSupport
import Testing

/// Standard input, output and error that are closed, full or read by nobody.
@Suite struct StandardStreamTests {
    /// A folder with a store of two tasks, requests, and rows.
    private func prepared() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let prepared = try Command.script(
            """
            echo '{"task":null,"input":"a","max_tokens":1}' >$W/r
            printf '%s\\n' '{"task":null,"input":"a","max_tokens":1}' '{"task":"none","input":"a"}' >$W/mixed
            echo '[3,4,1]' >$W/ids
            echo '{"input_ids":[5,1]}' >$W/probe
            mkdir $W/tasks; cp -r prompts/spam $W/tasks
            echo '{"question":"is it","passage":"it is","idx":0,"label":true}' >$W/boolq.jsonl
            $P prompts register --threads 1 --core $C --store $W/s prompts/spam prompts/sentiment
            """, in: folder)
        #expect(prepared.status == 0, "\(prepared.errors)")
        return folder
    }

    /// Commands that answer on standard output.
    private static let answering = [
        "$P run --threads 1 --core $C --input $W/r", "$P prompts list --store $W/s",
        "$P prompts show --store $W/s spam", "$P prompts gc --store $W/s",
        "$P prompts nearest --threads 1 --core $C --store $W/s spam",
        "$P prompts alias --store $W/s a spam@1",
        "$P prompts register --threads 1 --core $C --store $W/s prompts/question-type",
        "$P core probe --threads 1 --core $C <$W/probe", "$P core tokenize --core $C <$W/r",
        "$P core detokenize --core $C <$W/ids", "$P demo --threads 1 --core $C --prompts $W/tasks",
        "$P --help", "$P run --help", "$P help core", "$P", "$P prompts",
        "$P --generate-completion-script bash",
        "$T --help",
        "$T evaluate --threads 1 --core $C --store $W/s --task spam --data prompts/spam/sample.jsonl",
        "$T convert --data-set boolq $W/boolq.jsonl",
    ]

    /// Those of them that take long.
    private static let slow = [
        "$P bench startup --core $C --threads 1 --rounds 1 --json -",
        "$T fit --threads 1 --core $C --task prompts/spam/task.json --train prompts/spam/sample.jsonl --steps 1 "
            + "--batch 2 --rows 1 --out $W/fitted",
    ]

    @Test func `an answer that cannot be written changes the exit status and is said`() throws {
        let folder = try prepared()
        let redirections = [(">/dev/full", "No space left"), (">&-", "Bad file"), ("1<$W/probe", "Bad file")]
        for (redirection, message) in redirections {
            for command in Self.answering + (redirection == ">/dev/full" ? Self.slow : []) {
                let result = try Command.script("\(command) \(redirection)", in: folder)
                #expect(result.status == 1, "\(command) \(redirection): \(result.errors)")
                #expect(
                    result.errors.contains("cannot write standard output: \(message)"),
                    "\(command) \(redirection): \(result.errors)")
            }
        }
    }

    @Test func `a message that cannot be written changes nothing`() throws {
        let folder = try prepared()
        let fit =
            "$T fit --threads 1 --core $C --task prompts/spam/task.json --train prompts/spam/sample.jsonl --steps 1 "
            + "--batch 2 --rows 1 --out $W/$RANDOM-$RANDOM >$W/scores"
        let commands: [(String, Int32)] = [
            ("$P run --threads 1 --core $C --input $W/r --output $W/o", 0),
            ("$P run --threads 1 --core $C --input $W/r --log-level info", 0),
            ("$P run --threads 1 --core $C --input $W/mixed", 2), ("$P prompts verify --store $W/s", 0),
            ("$P prompts show --store $W/s none", 1), ("$P run --core /nonexistent", 1), ("$P run", 64),
            ("$P prompts", 0), (fit, 0), ("$T fit --core $C --task /nonexistent --train x --out $W/x", 1),
            (
                "$T evaluate --threads 1 --core $C --store $W/s --task spam --data prompts/spam/sample.jsonl",
                0
            ),
        ]
        for (command, status) in commands {
            let heard = try Command.script(command, in: folder)
            #expect(heard.status == status, "\(command): \(heard.errors)")
            for redirection in ["2>/dev/full", "2>&-", "2<$W/r", "2> >(exec true)"] {
                let result = try Command.script("\(command) \(redirection)", in: folder)
                #expect(result.status == status, "\(command) \(redirection)")
                #expect(result.output == heard.output, "\(command) \(redirection)")
            }
        }
        #expect(try Command.script("wc -l <$W/r; wc -l <$W/mixed", in: folder).output == "1\n2\n")
    }

    @Test func `a reader that goes away ends a command without a message`() throws {
        let folder = try prepared()
        let pipelines = [
            "for i in $(seq 50); do cat $W/r; done | $P run --threads 1 --core $C 2>$W/e | head -1 >$W/o",
            #"yes '{"task":"none","input":"a"}' | $P run --threads 1 --core $C 2>$W/e | head -1 >$W/o"#,
            "yes a | $P core tokenize --core $C 2>$W/e | head -1 >$W/o",
            "true | $P prompts list --store $W/s 2>$W/e | (exec <&-; sleep 0.3; echo x) >$W/o",
        ]
        for pipeline in pipelines {
            let result = try Command.script(
                "\(pipeline); echo ${PIPESTATUS[1]}; wc -l <$W/o; cat $W/e", in: folder)
            let lines = result.output.split(separator: "\n")
            // A few answers may all have been written before the reader went.
            #expect(lines.first == "1" || pipeline.hasPrefix("for") && lines.first == "0", "\(result.output)")
            #expect(lines.dropFirst().first == "1" && !result.output.contains("pipe"), "\(result.output)")
        }
    }

    @Test func `a closed standard input is an error, and no file of the process's is read in its place`()
        throws
    {
        let folder = try prepared()
        for (command, redirection) in [
            "$P run --threads 1 --core $C --store $W/s", "$P core tokenize --core $C",
            "$P core detokenize --core $C", "$P core probe --threads 1 --core $C",
        ].flatMap({ command in ["0<&-", "0>$W/none", "<&- 2>&-"].map { (command, $0) } }) {
            let result = try Command.script("\(command) \(redirection)", in: folder)
            #expect(result.status == 1 && result.output.isEmpty, "\(command) \(redirection)")
            #expect(
                result.errors.contains("standard input") || redirection.contains("2>&-"),
                "\(command) \(redirection): \(result.errors)")
        }
        let unneeded = try Command.script(
            "$P run --threads 1 --core $C --input $W/r 0<&- && $P prompts list --store $W/s 0<&-", in: folder)
        #expect(unneeded.status == 0)
        #expect(try unneeded.lines.count == 3)
    }

    @Test func `no file of the process's is written in the place of a closed stream`() throws {
        let folder = try prepared()
        let result = try Command.script(
            """
            before=$(sha256sum <$W/s/data.mdb)
            for command in 'run --threads 1 --core '$C' --store $W/s --input $W/mixed --output $W/o' \\
                'prompts verify --store $W/s' 'prompts show --store $W/s spam'; do
              eval "$P $command 0<&- 1>&- 2>&-"; echo $?
            done
            [ "$before" = "$(sha256sum <$W/s/data.mdb)" ] && wc -l <$W/o
            """, in: folder)
        #expect(result.output == "2\n0\n1\n2\n", "\(result.output) \(result.errors)")
    }

    @Test func `streams that do not wait are waited for`() throws {
        let process = Command.process("polyprompt", ["run", "--threads", "1", "--core", Repository.core])
        let (input, output) = (Pipe(), Pipe())
        for end in [input.fileHandleForReading, output.fileHandleForWriting] {
            #expect(fcntl(end.fileDescriptor, F_SETFL, O_NONBLOCK) == 0)
        }
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let line = Data((#"{"task":"none","input":""# + String(repeating: "a", count: 200) + "\"}\n").utf8)
        let writing = Thread {
            for _ in 0..<2000 { try? input.fileHandleForWriting.write(contentsOf: line) }
            try? input.fileHandleForWriting.close()
        }
        writing.start()
        usleep(500_000)
        let answers = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 2)
        #expect(answers.count { $0 == 0x0A } == 2000)
    }
}
