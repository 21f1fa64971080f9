/// The 64-bit xxHash of the bytes, little-endian (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
func xxh64(_ bytes: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
    let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    func rotated(_ value: UInt64, by count: UInt64) -> UInt64 { value &<< count | value &>> (64 - count) }
    func round(_ accumulator: UInt64, _ lane: UInt64) -> UInt64 {
        rotated(accumulator &+ lane &* prime2, by: 31) &* prime1
    }
    func lane(at offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    var offset = 0
    var hash: UInt64
    if bytes.count >= 32 {
        var accumulators = (
            seed &+ prime1 &+ prime2, seed &+ prime2, seed, seed &- prime1
        )
        while offset + 32 <= bytes.count {
            accumulators.0 = round(accumulators.0, lane(at: offset))
            accumulators.1 = round(accumulators.1, lane(at: offset + 8))
            accumulators.2 = round(accumulators.2, lane(at: offset + 16))
            accumulators.3 = round(accumulators.3, lane(at: offset + 24))
            offset += 32
        }
        hash =
            rotated(accumulators.0, by: 1) &+ rotated(accumulators.1, by: 7)
            &+ rotated(accumulators.2, by: 12) &+ rotated(accumulators.3, by: 18)
        for accumulator in [accumulators.0, accumulators.1, accumulators.2, accumulators.3] {
            hash = (hash ^ round(0, accumulator)) &* prime1 &+ prime4
        }
    } else {
        hash = seed &+ prime5
    }
    hash &+= UInt64(bytes.count)

    while offset + 8 <= bytes.count {
        hash = rotated(hash ^ round(0, lane(at: offset)), by: 27) &* prime1 &+ prime4
        offset += 8
    }
    if offset + 4 <= bytes.count {
        let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        hash = rotated(hash ^ UInt64(half) &* prime1, by: 23) &* prime2 &+ prime3
        offset += 4
    }
    while offset < bytes.count {
        hash = rotated(hash ^ UInt64(bytes[offset]) &* prime5, by: 11) &* prime1
        offset += 1
    }
    hash = (hash ^ hash &>> 33) &* prime2
    hash = (hash ^ hash &>> 29) &* prime3
    return hash ^ hash &>> 32
}
