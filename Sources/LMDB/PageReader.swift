import CLMDB

#if canImport(Glibc)
    import Glibc
#endif

/// What is wrong with the pages of a data file.
struct Damage: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }

    init(page: UInt64, _ reason: String) { self.reason = "page \(page) \(reason)" }
}

/// Reads a data file by itself, not through LMDB or its map: a page that is not there is an error, not a signal.
struct PageReader {
    let pageSize: Int
    /// Whole pages that the file has.
    let pageCount: UInt64
    private let descriptor: CInt

    /// Of an environment that is open; reads through its descriptor.
    init(_ environment: OpaquePointer) throws(Damage) {
        var statistics = MDB_stat()
        var descriptor = CInt(-1)
        guard mdb_env_stat(environment, &statistics) == MDB_SUCCESS,
            mdb_env_get_fd(environment, &descriptor) == MDB_SUCCESS
        else { throw Damage("its length or page size cannot be read") }
        try self.init(descriptor: descriptor, pageSize: Int(statistics.ms_psize))
    }

    /// Of a file that stays open, as long as it is now.
    init(descriptor: CInt, pageSize: Int) throws(Damage) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size >= 0, PageFormat.pageSizes.contains(pageSize)
        else { throw Damage("its length or page size cannot be read") }
        self.pageSize = pageSize
        pageCount = UInt64(status.st_size) / UInt64(pageSize)
        self.descriptor = descriptor
    }

    /// So many bytes of a page, or of the run of pages that it begins.
    func read(_ page: UInt64, at offset: Int = 0, count: Int) throws(Damage) -> [UInt8] {
        // Before memory is taken for a size that a damaged page says.
        guard page < pageCount, UInt64(offset + count) <= (pageCount - page) * UInt64(pageSize) else {
            throw Damage(page: page, "lies beyond the end of the file")
        }
        let position = Int(page) * pageSize + offset
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count, let start = buffer.baseAddress {
                let read = pread(descriptor, start + filled, count - filled, position + filled)
                if read > 0 { filled += read }
                if read == 0 || read < 0 && errno != EINTR { return }
            }
        }
        guard bytes.count == count else { throw Damage(page: page, "cannot be read") }
        return bytes
    }

    func read(_ page: UInt64) throws(Damage) -> [UInt8] { try read(page, count: pageSize) }

    /// The meta page of a transaction's state, which its number selects.
    func meta(of transaction: OpaquePointer) throws(Damage) -> MetaPage {
        // A damaged number may have any bits.
        try meta(ofState: UInt64(bitPattern: Int64(mdb_txn_id(transaction))))
    }

    /// The meta page of the state that a transaction which writes began with.
    func meta(before transaction: OpaquePointer) throws(Damage) -> MetaPage {
        try meta(ofState: UInt64(bitPattern: Int64(mdb_txn_id(transaction))) &- 1)
    }

    private func meta(ofState number: UInt64) throws(Damage) -> MetaPage {
        let metas = (
            MetaPage(try read(0, count: MetaPage.size)), MetaPage(try read(1, count: MetaPage.size))
        )
        try metas.0.check(at: 0, pageSize: pageSize)
        try metas.1.check(at: 1, pageSize: pageSize)
        let numbers = [metas.0.transaction, metas.1.transaction].sorted()
        let meta = number & 1 == 0 ? metas.0 : metas.1
        guard numbers[1] - numbers[0] <= 1, meta.transaction == number else {
            throw Damage(
                "its meta pages have the transactions \(metas.0.transaction) and \(metas.1.transaction), which do"
                    + " not go together")
        }
        return meta
    }
}

/// Pages that have been met, each once.
///
/// A bit for each page of the file, from `calloc`, so that memory is taken only where bits are set.
final class PageSet {
    private let words: UnsafeMutablePointer<UInt64>
    private let count: Int

    init(count: UInt64) throws(Damage) {
        guard let size = Int(exactly: count), let words = calloc(size / 64 + 1, 8) else {
            throw Damage("it is too large to be checked with this memory")
        }
        self.words = words.bindMemory(to: UInt64.self, capacity: size / 64 + 1)
        self.count = size
    }

    deinit { free(words) }

    /// Puts in consecutive pages; `false` when one lies beyond the end of the file or is in already.
    func insert(_ first: UInt64, count pages: UInt64 = 1) -> Bool {
        let (end, overflow) = first.addingReportingOverflow(pages)
        guard !overflow, end <= count else { return false }
        var page = Int(first)
        while page < Int(end) {
            let bits = min(64 - page % 64, Int(end) - page)
            let mask = (UInt64.max >> UInt64(64 - bits)) << UInt64(page % 64)
            guard words[page / 64] & mask == 0 else { return false }
            words[page / 64] |= mask
            page += bits
        }
        return true
    }
}
