import Basics
import Testing

@Suite("Hexadecimal")
struct HexadecimalTests {
    @Test("bytes become two lower-case digits each, and come back")
    func roundTrip() {
        let bytes = (0...255).map(UInt8.init)
        #expect(bytes.hexadecimal.hasPrefix("000102") && bytes.hexadecimal.hasSuffix("fdfeff"))
        #expect([UInt8](hexadecimal: bytes.hexadecimal) == bytes)
        #expect([UInt8]().hexadecimal == "" && [UInt8](hexadecimal: "") == [])
    }

    @Test("text of an odd length or of other characters is none", arguments: ["0", "0A", "g0", "0 "])
    func refused(text: String) { #expect([UInt8](hexadecimal: text) == nil) }
}
