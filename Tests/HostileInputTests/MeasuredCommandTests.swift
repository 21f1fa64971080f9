import TestSupport
import Testing

@Suite struct MeasuredCommandTests {
    @Test func `a command's peak and its end are seen`() throws {
        let folder = try TemporaryFolder()
        let input = try folder.write("in", #"{"task":null,"input":"a","max_tokens":1}"# + "\n")
        let arguments = ["run", "--threads", "1", "--core", Repository.core]
        let run = try MeasuredCommand(arguments, input: input)
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.hasPrefix("{"))
        #expect(run.peakBytes > 1 << 20 && run.peakBytes < 1 << 30)
        let limited = try MeasuredCommand(arguments, input: input, addressLimit: 16 << 20)
        #expect(limited.status != 0)
    }
}
