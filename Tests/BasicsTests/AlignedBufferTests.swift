import Basics
import Testing

@Suite("Aligned memory")
struct AlignedBufferTests {
    @Test("begins at a cache line and holds what is asked for", arguments: [0, 1, 100])
    func alignment(count: Int) {
        let buffer = AlignedBuffer(count, of: Float.self)
        #expect(buffer.byteCount == 4 * count)
        #expect(Int(bitPattern: buffer.pointer) % 64 == 0)
        for index in 0..<count { buffer.floats[index] = Float(index) }
        let bits: UnsafeMutablePointer<UInt32> = buffer.elements()
        #expect((0..<count).allSatisfy { bits[$0] == Float($0).bitPattern })
        withExtendedLifetime(buffer) {}
    }

    @Test("scratch memory is reused until more is asked for")
    func scratch() {
        var scratch = Scratch()
        let first: UnsafeMutablePointer<Float> = scratch.reserve(100)
        #expect(scratch.reserve(50, of: Float.self) == first)
        let larger: UnsafeMutablePointer<UInt16> = scratch.reserve(10_000)
        #expect(
            UnsafeMutableRawPointer(scratch.reserve(5_000, of: Float.self)) == UnsafeMutableRawPointer(larger)
        )
    }
}
