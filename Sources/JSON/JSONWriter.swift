extension JSONValue {
    /// The document on one line: a JSON Lines record without its line feed.
    public var line: String { String(decoding: lineBytes, as: UTF8.self) }

    /// The document on one line, as UTF-8.
    public var lineBytes: [UInt8] {
        var output: [UInt8] = []
        write(to: &output, indentation: nil)
        return output
    }

    /// The document indented by two spaces, for files that people read, with a closing line feed.
    public var indented: String {
        var output: [UInt8] = []
        write(to: &output, indentation: 0)
        output.append(UInt8(ascii: "\n"))
        return String(decoding: output, as: UTF8.self)
    }

    private func write(to output: inout [UInt8], indentation: Int?) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .number(let value): output.append(contentsOf: value.text.utf8)
        case .string(let value): Self.write(string: value, to: &output)
        case .array(let elements):
            Self.writeList(elements, "[", "]", to: &output, indentation: indentation) {
                element, output, indentation in
                element.write(to: &output, indentation: indentation)
            }
        case .object(let object):
            Self.writeList(Array(object), "{", "}", to: &output, indentation: indentation) {
                member, output, indentation in
                Self.write(string: member.key, to: &output)
                output.append(UInt8(ascii: ":"))
                if indentation != nil { output.append(UInt8(ascii: " ")) }
                member.value.write(to: &output, indentation: indentation)
            }
        }
    }

    private static func writeList<Element>(
        _ elements: [Element], _ open: Unicode.Scalar, _ close: Unicode.Scalar, to output: inout [UInt8],
        indentation: Int?, element write: (Element, inout [UInt8], Int?) -> Void
    ) {
        func newline(_ level: Int?) {
            guard let level, !elements.isEmpty else { return }
            output.append(UInt8(ascii: "\n"))
            output.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * level))
        }
        output.append(UInt8(ascii: open))
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            newline(indentation.map { $0 + 1 })
            write(element, &output, indentation.map { $0 + 1 })
        }
        newline(indentation)
        output.append(UInt8(ascii: close))
    }

    private static func write(string: String, to output: inout [UInt8]) {
        let hexadecimal = Array("0123456789abcdef".utf8)
        output.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case UInt8(ascii: "\n"): output.append(contentsOf: "\\n".utf8)
            case UInt8(ascii: "\r"): output.append(contentsOf: "\\r".utf8)
            case UInt8(ascii: "\t"): output.append(contentsOf: "\\t".utf8)
            case 0..<0x20:
                output.append(contentsOf: "\\u00".utf8)
                output.append(hexadecimal[Int(byte >> 4)])
                output.append(hexadecimal[Int(byte & 15)])
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
