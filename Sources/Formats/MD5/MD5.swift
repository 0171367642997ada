internal import CMD5

/// A running MD5 (RFC 1321), for the ETag of S3 and Content-MD5 only: it proves nothing against intent.
///
/// It is here beside libcrypto's for ``update(_:_:_:_:blocksMax:)``: two bodies that come at once are digested in the
/// time of one.
///
/// A value may move between threads from one call to the next, but the calls must follow one another.
package final class MD5: @unchecked Sendable {
    package static let blockSize = 64
    package static let digestLength = 16

    private var state = cmd5_state(a: 0x6745_2301, b: 0xefcd_ab89, c: 0x98ba_dcfe, d: 0x1032_5476)
    /// Bytes that do not make a block yet.
    private var rest: [UInt8] = []
    private var byteCount: UInt64 = 0

    package init() {}

    package func update(_ bytes: UnsafeRawBufferPointer) {
        byteCount &+= UInt64(bytes.count)
        var bytes = bytes[...]
        if !rest.isEmpty {
            let missing = bytes.prefix(Self.blockSize - rest.count)
            rest.append(contentsOf: missing)
            bytes = bytes.dropFirst(missing.count)
            guard rest.count == Self.blockSize else { return }
            rest.withUnsafeBytes { add($0[...], blocks: 1) }
            rest.removeAll(keepingCapacity: true)
        }
        let blocks = bytes.count / Self.blockSize
        add(bytes, blocks: blocks)
        rest.append(contentsOf: bytes.dropFirst(blocks * Self.blockSize))
    }

    private func add(_ bytes: Slice<UnsafeRawBufferPointer>, blocks: Int) {
        guard blocks > 0, let start = UnsafeRawBufferPointer(rebasing: bytes).baseAddress else { return }
        cmd5_add(&state, start.assumingMemoryBound(to: UInt8.self), blocks)
    }

    /// Adds to two digests at once as much as both pieces have in whole blocks, at most `blocksMax` of each.
    ///
    /// - Returns: how many bytes of each piece were added: nothing where one of the digests has begun a block.
    package static func update(
        _ first: MD5, _ firstBytes: UnsafeRawBufferPointer, _ second: MD5, _ secondBytes: UnsafeRawBufferPointer,
        blocksMax: Int
    ) -> Int {
        let blocks = min(firstBytes.count / blockSize, secondBytes.count / blockSize, blocksMax)
        guard blocks > 0, first !== second, first.rest.isEmpty, second.rest.isEmpty,
            let firstStart = firstBytes.baseAddress, let secondStart = secondBytes.baseAddress
        else { return 0 }
        cmd5_add_pair(
            &first.state, firstStart.assumingMemoryBound(to: UInt8.self), &second.state,
            secondStart.assumingMemoryBound(to: UInt8.self), blocks)
        first.byteCount &+= UInt64(blocks * blockSize)
        second.byteCount &+= UInt64(blocks * blockSize)
        return blocks * blockSize
    }

    /// The digest of all bytes. Nothing may be added afterwards.
    package func finish() -> [UInt8] {
        let bitCount = byteCount &* 8
        var padding: [UInt8] = [0x80]
        let used = (rest.count + 1 + 8) % Self.blockSize
        padding.append(contentsOf: repeatElement(0, count: used == 0 ? 0 : Self.blockSize - used))
        for shift in stride(from: 0, to: 64, by: 8) { padding.append(UInt8(truncatingIfNeeded: bitCount >> shift)) }
        padding.withUnsafeBytes { update($0) }
        return [state.a, state.b, state.c, state.d].flatMap { word in
            stride(from: 0, to: 32, by: 8).map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }
}
