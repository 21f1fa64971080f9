import Basics

/// A value at its place in a document.
public struct ValueReader<Failure: Error> {
    /// The value.
    public let value: JSONValue
    /// The value's place in the document: "decoding.stop[2]"; empty for the document itself.
    public let path: String
    let rules: ReadingRules<Failure>

    /// A reader of a value.
    ///
    /// - Parameters:
    ///   - place: Where the document stands, written before every message: a file, or a file and a line.
    ///   - path: The value's place in the document.
    ///   - nullIsAbsent: Whether a member that is `null` counts as not given.
    ///   - failure: Makes the error of a message.
    public init(
        _ value: JSONValue, at place: String = "", path: String = "", nullIsAbsent: Bool = false,
        failure: @escaping (String) -> Failure
    ) {
        self.init(
            value: value, path: path,
            rules: ReadingRules(place: place, nullIsAbsent: nullIsAbsent, failure: failure))
    }

    /// A reader of a document.
    public init(
        parsing bytes: some Collection<UInt8>, at place: String = "", nullIsAbsent: Bool = false,
        failure: @escaping (String) -> Failure
    ) throws(Failure) {
        let rules = ReadingRules(place: place, nullIsAbsent: nullIsAbsent, failure: failure)
        do {
            self.init(value: try JSONValue.parse(bytes), path: "", rules: rules)
        } catch {
            throw rules.refusal("not JSON: \(error)")
        }
    }

    init(value: JSONValue, path: String, rules: ReadingRules<Failure>) {
        self.value = value
        self.path = path
        self.rules = rules
    }

    /// The error of a value that is not what was expected.
    ///
    /// - Parameter found: What was found, where the value does not say it by itself.
    public func refusal(_ expected: String, found: String? = nil) -> Failure {
        rules.refusal(JSONValue.mismatch(path, found: found ?? value.found, expected: expected))
    }

    /// What `read` makes of the value; refused when that is nothing.
    public func read<Result>(
        _ expected: @autoclosure () -> String, _ read: (JSONValue) -> Result?
    ) throws(Failure) -> Result {
        guard let result = read(value) else { throw refusal(expected()) }
        return result
    }

    /// A string.
    public func string() throws(Failure) -> String { try read("a string", \.string) }

    /// A boolean.
    public func boolean() throws(Failure) -> Bool { try read("true or false", \.bool) }

    /// A string, number or boolean, as text.
    public func scalarText() throws(Failure) -> String {
        try read("a string, a number or a boolean", \.scalarText)
    }

    /// A number that is exactly an integer.
    public func integer() throws(Failure) -> Int { try integer(in: Int.min...Int.max) }

    /// A number that is exactly an integer of the range.
    public func integer<Integer: FixedWidthInteger>(
        in range: ClosedRange<Integer>
    ) throws(Failure) -> Integer {
        try read(Self.name(of: range)) { Self.integer($0, in: range) }
    }

    /// A finite number.
    public func number() throws(Failure) -> Double { try read("a number", \.double) }

    /// A number of the range.
    public func number(in range: ClosedRange<Double>) throws(Failure) -> Double {
        try read("a number from \(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))") {
            $0.double.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A number of the range.
    public func number(in range: Range<Double>) throws(Failure) -> Double {
        try read(
            "a number of at least \(Self.text(range.lowerBound)) and below \(Self.text(range.upperBound))"
        ) {
            $0.double.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A string that names one of the cases.
    public func choice<Choice: RawRepresentable<String> & CaseIterable>() throws(Failure) -> Choice {
        try read("one of " + Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")) {
            $0.string.flatMap { text in Choice.allCases.first { $0.rawValue.isSame(as: text) } }
        }
    }

    /// An object with members of these keys; of any when `nil`.
    public func object(
        keys: [String]? = nil, _ expected: @autoclosure () -> String = "an object"
    ) throws(Failure) -> ObjectReader<Failure> {
        try ObjectReader(
            read(expected(), \.object), prefix: path.isEmpty ? "" : path + ".", keys: keys, rules)
    }

    /// An array's elements, each at its place.
    ///
    /// - Parameters:
    ///   - what: What it holds, for messages: "objects".
    ///   - count: How many it must have.
    public func elements(
        of what: String, count: ClosedRange<Int> = 0...Int.max
    ) throws(Failure) -> [ValueReader<Failure>] {
        let values = try array(of: what, count: count)
        return values.indices.map { element(values, $0) }
    }

    /// An array of strings.
    public func strings(count: ClosedRange<Int> = 0...Int.max) throws(Failure) -> [String] {
        try array(of: "strings", count: count, each: "a string", \.string)
    }

    /// An array of integers of the range.
    public func integers(
        in range: ClosedRange<Int> = Int.min...Int.max, count: ClosedRange<Int> = 0...Int.max
    ) throws(Failure) -> [Int] {
        let values = try array(of: "integers", count: count)
        let integers = JSONValue.integers(values, in: range)
        guard integers.count == values.count else {
            throw element(values, integers.count).refusal(Self.name(of: range))
        }
        return integers
    }

    /// An array of 32-bit integers of the range.
    public func integers(
        in range: ClosedRange<Int32> = Int32.min...Int32.max, count: ClosedRange<Int> = 0...Int.max
    ) throws(Failure) -> [Int32] {
        try integers(in: Int(range.lowerBound)...Int(range.upperBound), count: count).map {
            Int32(truncatingIfNeeded: $0)
        }
    }

    /// An array of exactly so many numbers, in single precision.
    public func floats(count: Int) throws(Failure) -> [Float] {
        try array(of: "numbers", count: count...count, each: "a number") { $0.double.map { Float($0) } }
    }

    /// Places are made for elements that are refused only: arrays of ids are long.
    private func array<Element>(
        of what: String, count: ClosedRange<Int>, each expected: @autoclosure () -> String,
        _ read: (JSONValue) -> Element?
    ) throws(Failure) -> [Element] {
        let values = try array(of: what, count: count)
        var results: [Element] = []
        results.reserveCapacity(values.count)
        for index in values.indices {
            guard let result = read(values[index]) else { throw element(values, index).refusal(expected()) }
            results.append(result)
        }
        return results
    }

    private func array(of what: String, count: ClosedRange<Int>) throws(Failure) -> [JSONValue] {
        try read("an array of \(Self.name(ofCount: count))\(what)") {
            $0.array.flatMap { count.contains($0.count) ? $0 : nil }
        }
    }

    private func element(_ values: [JSONValue], _ index: Int) -> ValueReader<Failure> {
        ValueReader(value: values[index], path: "\(path)[\(index)]", rules: rules)
    }

    private static func integer<Integer: FixedWidthInteger>(
        _ value: JSONValue, in range: ClosedRange<Integer>
    ) -> Integer? {
        value.int.flatMap(Integer.init(exactly:)).flatMap { range.contains($0) ? $0 : nil }
    }

    // MARK: Words

    private static func name<Integer: FixedWidthInteger>(of range: ClosedRange<Integer>) -> String {
        switch (range.lowerBound == Integer.min, range.upperBound == Integer.max) {
        case (true, true): "an integer"
        case (false, true): "an integer of at least \(range.lowerBound)"
        default: "an integer from \(range.lowerBound) to \(range.upperBound)"
        }
    }

    private static func name(ofCount range: ClosedRange<Int>) -> String {
        if range == 0...Int.max { return "" }
        if range.lowerBound == range.upperBound { return "\(range.lowerBound) " }
        return range.upperBound == Int.max
            ? "at least \(range.lowerBound) " : "\(range.lowerBound) to \(range.upperBound) "
    }

    private static func text(_ bound: Double) -> String {
        Int(exactly: bound).map(String.init) ?? bound.description
    }
}

extension JSONValue {
    /// The words for a value that is not what was expected, for rules that are checked outside a reader too.
    ///
    /// - Parameter path: The value's place in the document; empty for the document itself.
    public static func mismatch(_ path: String, found: String, expected: String) -> String {
        (path.isEmpty ? "" : "\(path.quoted): ") + "\(found) was found, \(expected) was expected"
    }

    /// The value in the words of a message; text is cut, so that a message stays a line.
    public var found: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let value): "the number \(value.text.excerpt)"
        case .string(let value): "the string \(value.quoted)"
        case .array(let elements): elements.isEmpty ? "an empty array" : "an array of \(elements.count)"
        case .object: "an object"
        }
    }

    /// A string as it is, a number or boolean by its JSON text.
    public var scalarText: String? {
        switch self {
        case .string(let value): value
        case .number(let value): value.text
        case .bool(let value): value ? "true" : "false"
        case .null, .array, .object: nil
        }
    }
}

extension JSONValue {
    /// The integers up to the first value that is none of the range. Not generic, as arrays of ids are long.
    fileprivate static func integers(_ values: [JSONValue], in range: ClosedRange<Int>) -> [Int] {
        var integers: [Int] = []
        integers.reserveCapacity(values.count)
        for value in values {
            guard let integer = value.int, range.contains(integer) else { break }
            integers.append(integer)
        }
        return integers
    }
}
