import JSON
import TestSupport
import Testing

/// Numbers so small that a thread which computes takes them for 0, and another does not.
@Suite struct SmallNumberTests {
    @Test(
        arguments: [
            (#""temperature":1e-320"#, nil), (#""temperature":-1e-310"#, nil),
            (#""temperature":1e-300"#, "invalid_request"), (#""top_p":1e-320"#, "invalid_request"),
        ] as [(String, JSONValue?)])
    func `a request with one costs its neighbours nothing`(option: String, code: JSONValue?) throws {
        let neighbour = #"{"id":1,"task":null,"input":"a","max_tokens":1}"#
        let wild = #"{"id":2,"task":null,"input":"a","max_tokens":1,\#(option)}"#
        for threads in ["1", "2"] {
            let run = try Command.polyprompt(
                ["run", "--threads", threads, "--core", Repository.core],
                input: [neighbour, wild, neighbour].joined(separator: "\n") + "\n")
            let codes = try run.lines.map { $0["error"]?.object?["code"] }
            #expect(codes == [nil, code, nil], "\(run.output)")
        }
    }
}
