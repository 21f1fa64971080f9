import JSON
import TestSupport
import Testing

/// More threads than CPU cores.
@Suite struct ThreadTests {
    /// Threads that wait for each other's turn burn the time that the turn needs.
    @Test func `threads beyond the CPU cores cost little time`() throws {
        let folder = try TemporaryFolder()
        let input = try folder.write(
            "in",
            (0..<200).map { #"{"task":null,"input":"text number \#($0)","max_tokens":4}"# + "\n" }.joined())
        func seconds(threads: Int) throws -> Double {
            let run = try MeasuredCommand(
                ["run", "--threads", "\(threads)", "--core", Repository.core, "--precision", "float32"],
                input: input)
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.errors.contains("more threads than CPU cores") == (threads == 64))
            return run.cpuSeconds
        }
        let one = try (0..<2).map { _ in try seconds(threads: 1) }.min() ?? 0
        let many = try (0..<2).map { _ in try seconds(threads: 64) }.min() ?? 0
        #expect(many < 3 * one, "one thread takes \(one) s of CPU time, 64 take \(many) s")
    }
}
