import Basics
import Testing

@Suite("FNV-1a")
struct FNV1aTests {
    @Test("hashes are the published ones")
    func reference() {
        #expect(fnv1a("".utf8) == 0xCBF2_9CE4_8422_2325)
        #expect(fnv1a("a".utf8) == 0xAF63_DC4C_8601_EC8C)
        #expect(fnv1a("foobar".utf8) == 0x8594_4171_F739_67E8)
    }
}
