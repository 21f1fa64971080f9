import Foundation
import JSON
import TestSupport
import Testing

/// Requests that are large, or many, or cost much: what they take together is bounded.
@Suite struct ReadAheadTests {
    private static let arguments = ["run", "--threads", "1", "--core", Repository.core]

    /// Bytes of address space of a run that has answered a first line.
    private func addressSpaceWhenReady() throws -> Int {
        let process = Command.process("polyprompt", Self.arguments)
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        try input.fileHandleForWriting.write(
            contentsOf: Data((#"{"task":null,"input":"a","max_tokens":1}"# + "\n").utf8))
        #expect(!output.fileHandleForReading.availableData.isEmpty)
        let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmSize:") })
        return try #require(Int(line.filter(\.isNumber))) << 10
    }

    /// Labels that have two ids of their own each, after a thousand that they share with one other.
    private static func deepLabels(_ count: Int, words: Int) -> String {
        let vocabulary = "the of and to in for on with as by at from that this be are was is it an or not"
            .split(
                separator: " ")
        let labels = (0..<count).flatMap { number in
            let base = (0..<words).map { vocabulary[(number * 7 + $0 * $0 + $0) % vocabulary.count] }.joined(
                separator: " ")
            return ["\(number) \(base) one", "\(number) \(base) two"]
        }
        return labels.map { "\"\($0)\"" }.joined(separator: ",")
    }

    private static let cases: [(name: String, line: @Sendable () -> String, count: Int, code: JSONValue?)] = [
        (
            "long ids", { #"{"id":""# + String(repeating: "x", count: (8 << 20) - 20) + "\"}" }, 24,
            "invalid_request"
        ),
        (
            "long numbers as ids", { #"{"id":1"# + String(repeating: "0", count: 8 << 19) + "}" }, 24,
            "invalid_json"
        ),
        ("lines over the limit", { String(repeating: "x", count: 9 << 20) }, 16, "line_too_long"),
        ("deep labels", { #"{"task":null,"input":"a","labels":[\#(deepLabels(20, words: 400))]}"# }, 3, nil),
        (
            "many labels",
            {
                let labels = (0..<10_000).map { "\"l\($0)\"" }.joined(separator: ",")
                return #"{"task":null,"input":"a","labels":[\#(labels)]}"#
            }, 4, nil
        ),
        ("beams", { #"{"task":null,"input":"a","num_beams":256,"max_tokens":2}"# }, 8, nil),
        (
            "long texts",
            {
                #"{"task":null,"max_tokens":1,"input":""# + String(repeating: "word ", count: 1 << 18) + "\"}"
            }, 24,
            nil
        ),
    ]

    @Test(
        "no requests take more than 2 GiB of addresses over what a run has when it is ready",
        arguments: 0..<cases.count)
    func addresses(number: Int) throws {
        let (name, line, count, code) = Self.cases[number]
        let folder = try TemporaryFolder()
        let input = try folder.write("in", String(repeating: line() + "\n", count: count))
        let limit = try addressSpaceWhenReady() + 2 << 30
        let run = try MeasuredCommand(Self.arguments, input: input, addressLimit: limit)
        #expect(run.status == (code == nil ? 0 : 2), "\(name): \(run.errors.prefix(500))")
        let answers = try run.output.split(separator: "\n").map { try JSONValue.parse(String($0)).object }
        #expect(answers.count == count)
        for answer in answers { #expect(answer?["error"]?.object?["code"] == code, "\(name)") }
        #expect(run.peakBytes < 400 << 20, "\(name): \(run.peakBytes >> 20) MiB")
    }

    @Test("an id of a thousand bytes is given back, one of more is refused")
    func ids() throws {
        let ids = ["\"" + String(repeating: "é", count: 512) + "\"", String(repeating: "1", count: 1024)]
        let long = ["\"" + String(repeating: "x", count: 1025) + "\"", String(repeating: "1", count: 1025)]
        let run = try Command.polyprompt(
            Self.arguments,
            input: (ids + long).map { #"{"id":\#($0),"task":null,"input":"a","max_tokens":1}"# + "\n" }
                .joined())
        let lines = try run.lines
        #expect(zip(lines, ids).allSatisfy { $0["id"]?.line == $1 && $0["error"] == nil })
        #expect(lines.dropFirst(2).allSatisfy { $0["id"] == nil && $0["error"] != nil })
        #expect(lines.count == 4 && run.output.utf8.count < 6000)
    }
}
