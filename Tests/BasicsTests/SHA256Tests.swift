import Basics
import Testing

@Suite("SHA-256")
struct SHA256Tests {
    @Test("hashes are the published ones, in one piece or in many")
    func reference() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(SHA256.digest(of: Array("abc".utf8)).hexadecimal == abc)
        var hash = SHA256()
        hash.update("a")
        #expect(hash.digest != SHA256().digest)
        hash.update("bc")
        #expect(hash.digest.hexadecimal == abc)
        #expect(SHA256.digest(of: []).hexadecimal.hasPrefix("e3b0c442"))
    }

    @Test("a hash's text has 64 lower-case digits")
    func text() {
        let text = SHA256.digest(of: []).hexadecimal
        #expect(SHA256.isHexadecimal(text))
        for other in ["", text + "00", String(text.dropLast(2)), text.uppercased()] {
            #expect(!SHA256.isHexadecimal(other), "\(other)")
        }
    }
}
