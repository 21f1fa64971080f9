/// What is kept of a feed-forward layer's wide rows from forward to backward: they themselves, a bit for each of their
/// elements, or nothing.
struct KeptWide<Element: BitwiseCopyable> {
    let rows: Rows<Element>?
    let signs: Rows<UInt32>?

    /// The same from a row on.
    func from(_ row: Int) -> KeptWide { KeptWide(rows: rows?.from(row), signs: signs?.from(row)) }
}

/// Arithmetics that keep the rows themselves.
extension Arithmetic {
    var keepsSigns: Bool { false }
    func keepSigns(_ wide: Rows<Element>, in signs: Rows<UInt32>, _ part: Part) {}
    func wideGradient(_ signs: Rows<UInt32>, _ hiddenGradient: Rows<Element>, _ part: Part) {}
}
