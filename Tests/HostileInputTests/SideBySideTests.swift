import Foundation
import JSON
import Synchronization
import TestSupport
import Testing

/// Input that stops halfway, and output that nobody takes.
@Suite struct SideBySideTests {
    /// A `polyprompt run` whose input and output the test holds.
    private struct Run {
        let process = Command.process(
            "polyprompt", ["run", "--threads", "1", "--core", Repository.core, "--batch-rows", "512"])
        let input = Pipe()
        let output = Pipe()

        init() throws {
            signal(SIGPIPE, SIG_IGN)
            process.standardInput = input
            process.standardOutput = output
            process.standardError = FileHandle.nullDevice
            try process.run()
        }

        /// Writes to the run's input, until it has ended.
        func write(_ text: String) {
            let descriptor = input.fileHandleForWriting.fileDescriptor
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }

        /// What the process holds resident, in bytes.
        var resident: Int {
            let text =
                (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8))
                ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
            return (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0) << 10
        }

        /// A line of output, waited for; `nil` at its end and after a while.
        func line(within seconds: Double = 20) -> String? {
            var bytes: [UInt8] = []
            var byte: UInt8 = 0
            let descriptor = output.fileHandleForReading.fileDescriptor
            while bytes.last != 0x0A {
                var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard poll(&ready, 1, Int32(seconds * 1000)) > 0, read(descriptor, &byte, 1) == 1 else {
                    return nil
                }
                bytes.append(byte)
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    private static let generating =
        #"{"id":1,"task":null,"input":"a","max_tokens":60,"temperature":50,"seed":1}"#
    private static let short = #"{"id":2,"task":null,"input":"a","max_tokens":1}"#
    private static let refused = #"{"id":3,"task":"none","input":"a"}"#

    @Test(
        "what has been read is answered, whatever has begun to arrive behind it",
        arguments: [
            #"{"id":2,"task":null,"#, "{", "\u{0}\u{0}", "   ", String(repeating: "x", count: 9 << 20),
        ])
    func halfLine(half: String) throws {
        let run = try Run()
        run.write("\(Self.generating)\n\(half)")
        #expect(run.line()?.hasPrefix(#"{"id":1,"task":null"#) == true)
        run.write(half.hasPrefix("{\"") ? #""input":"a","max_tokens":1}"# : "")
        try run.input.fileHandleForWriting.close()
        let last = run.line()
        #expect(half == "   " ? last == nil : last != nil, "\(last ?? "nothing")")
        run.process.waitUntilExit()
        #expect(run.process.terminationStatus == (half.hasPrefix("{\"") || half == "   " ? 0 : 2))
    }

    @Test("a reader of answers who stops stops reading in turn, and memory stays flat")
    func slowReader() throws {
        let run = try Run()
        // Answered with errors that are longer than the requests, which cost no rows.
        let lines = String(repeating: Self.refused + "\n", count: 500)
        let written = Mutex(0)
        Thread {
            for _ in 0..<200 {
                run.write(lines)
                written.withLock { $0 += 500 }
            }
            try? run.input.fileHandleForWriting.close()
        }.start()
        #expect(run.line() != nil)
        usleep(1_500_000)
        let before = (written.withLock { $0 }, run.resident)
        usleep(500_000)
        #expect(before.0 < 100_000, "reading has stopped")
        #expect(written.withLock { $0 } == before.0)
        #expect(run.resident < before.1 + (4 << 20) && run.resident < 200 << 20, "\(run.resident)")
        let rest = run.output.fileHandleForReading.readDataToEndOfFile()
        run.process.waitUntilExit()
        #expect(rest.count { $0 == 0x0A } == 99_999)
        #expect(run.process.terminationStatus == 2)
    }

    @Test(
        "a reader of answers who goes away ends a run that waits for input, and one that waits for the reader"
    )
    func readerGone() throws {
        for waiting in [true, false] {
            let run = try Run()
            run.write(Self.short + "\n")
            #expect(run.line() != nil)
            if !waiting {
                Thread { for _ in 0..<2000 { run.write(Self.refused + "\n") } }.start()
                usleep(300_000)
            }
            try run.output.fileHandleForReading.close()
            if waiting { run.write(Self.short + "\n") }
            run.process.waitUntilExit()
            #expect(run.process.terminationStatus == 1 && run.process.terminationReason == .exit)
            try? run.input.fileHandleForReading.close()
        }
    }

    @Test(
        "a signal ends a run that reads, computes or writes, and what was answered is there",
        arguments: [SIGINT, SIGTERM, SIGHUP], ["reading", "computing", "writing"])
    func interrupted(signal: Int32, place: String) throws {
        let run = try Run()
        run.write(Self.short + "\n")
        #expect(run.line() != nil)
        switch place {
        case "computing":
            run.write(Self.short + "\n" + Self.generating.replacing(":60", with: ":1500") + "\n")
            #expect(run.line() != nil)
        case "writing":
            Thread { for _ in 0..<2000 { run.write(Self.refused + "\n") } }.start()
            usleep(300_000)
        default: break
        }
        let start = ContinuousClock.now
        kill(run.process.processIdentifier, signal)
        if place == "writing" {
            // The pipe's content and a bit more is there to be read, in whole lines.
            usleep(100_000)
            let rest = run.output.fileHandleForReading.readDataToEndOfFile()
            #expect(rest.last == 0x0A && rest.count > 60_000)
        }
        run.process.waitUntilExit()
        #expect(run.process.terminationStatus == 128 + signal && run.process.terminationReason == .exit)
        #expect(ContinuousClock.now - start < .seconds(10))
        try? run.input.fileHandleForReading.close()
    }

    @Test("a run whose reader waits for ever still ends when it is told to")
    func stalled() throws {
        let run = try Run()
        run.write(Self.short + "\n")
        #expect(run.line() != nil)
        Thread { for _ in 0..<2000 { run.write(Self.refused + "\n") } }.start()
        usleep(300_000)
        kill(run.process.processIdentifier, SIGTERM)
        run.process.waitUntilExit()
        #expect(run.process.terminationStatus == 128 + SIGTERM)
        try? run.input.fileHandleForReading.close()
    }

    @Test("input comes from a named pipe, and needs no line feed at its end")
    func namedPipe() throws {
        let folder = try TemporaryFolder()
        let result = try Command.script(
            """
            mkfifo $W/in
            (printf '%s\\n' '\(Self.short)'; sleep 0.3; printf '%s' '\(Self.short)') >$W/in &
            $P run --threads 1 --core $C --input $W/in
            """, in: folder)
        #expect(result.status == 0)
        #expect(try result.lines.count == 2)
    }
}
