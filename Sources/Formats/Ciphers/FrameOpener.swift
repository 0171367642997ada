private import CEVP

/// Opens frames of one blob (see ``Frames``), from any frame on and as often as wanted.
///
/// Sendable by hand: it may be handed from thread to thread between two calls; the caller makes one call at a time.
package final class FrameOpener: @unchecked Sendable {
    private let context: OpaquePointer

    /// Throws `.libraryFailed` if there is no memory for the cipher.
    package init(key: AEADKey) throws(CipherError) {
        let context = key.withUnsafeBytes { cevp_gcm_new($0.baseAddress, 0) }
        guard let context else { throw CipherError(.libraryFailed, "libcrypto has no memory for a cipher") }
        self.context = context
    }

    deinit {
        cevp_gcm_free(context)
    }

    /// Opens consecutive frames.
    ///
    /// - Parameters:
    ///   - frames: whole stored frames; with `endsAtLast`, the last of them may be short.
    ///   - firstIndex: the index of the first of them in the blob.
    ///   - endsAtLast: whether the last of them is the last of the blob.
    ///   - plaintext: where the plaintext goes; it must not overlap `frames`.
    /// - Returns: the count of bytes written to `plaintext`.
    /// - Throws: `.notAuthentic` with the frame that failed, none of whose plaintext is left in the buffer (that of the
    ///   frames before is); `.wrongLength`, `.invalidParameter` and `.libraryFailed`.
    package func open(
        frames: UnsafeRawBufferPointer, firstIndex: Int64, endsAtLast: Bool,
        into plaintext: UnsafeMutableRawBufferPointer
    ) throws(CipherError) -> Int {
        try checkRoom(frames, firstIndex, endsAtLast, plaintext)
        guard let sealedStart = frames.baseAddress, !frames.isEmpty else { return 0 }
        var read = 0
        var written = 0
        var index = firstIndex
        while read < frames.count {
            let stored = min(Frames.sealedSize, frames.count - read)
            let count = stored - Frames.tagSize
            let nonce = FrameNonce(index: index, isLast: endsAtLast && read + stored == frames.count)
            let outcome = nonce.withBytes { nonce in
                cevp_gcm_open(
                    context, nonce, nil, 0, sealedStart + read, count, plaintext.baseAddress.map { $0 + written })
            }
            guard outcome == 1 else {
                if outcome < 0 { throw CipherError(.libraryFailed, "libcrypto could not open", frame: index) }
                throw CipherError(
                    .notAuthentic, "the tag does not match: altered, moved, truncated, or sealed under another key",
                    frame: index)
            }
            index += 1
            read += stored
            written += count
        }
        return written
    }

    private func checkRoom(
        _ frames: UnsafeRawBufferPointer, _ firstIndex: Int64, _ endsAtLast: Bool,
        _ plaintext: UnsafeMutableRawBufferPointer
    ) throws(CipherError) {
        let (full, rest) = frames.count.quotientAndRemainder(dividingBy: Frames.sealedSize)
        guard firstIndex >= 0, firstIndex <= Int64.max - Int64(full) - 1 else {
            throw CipherError(.invalidParameter, "\(firstIndex) is no index of a frame")
        }
        if endsAtLast {
            // An empty last frame is right in an empty blob only.
            let least = firstIndex == 0 && full == 0 ? Frames.tagSize : Frames.tagSize + 1
            guard rest >= least || rest == 0 && full > 0 else {
                throw CipherError(
                    .wrongLength, "\(frames.count) bytes do not end with a whole last frame",
                    frame: firstIndex + Int64(full))
            }
        } else if rest != 0 {
            throw CipherError(
                .wrongLength,
                "only whole frames of \(Frames.sealedSize) bytes come before the last, not \(frames.count)",
                frame: firstIndex + Int64(full))
        }
        let needed = frames.count - Frames.tagSize * (rest == 0 ? full : full + 1)
        guard needed <= plaintext.count else {
            throw CipherError(
                .wrongLength, "\(needed) bytes are needed for the plaintext, not \(plaintext.count)", frame: firstIndex)
        }
        guard !frames.overlaps(plaintext) else {
            throw CipherError(.invalidParameter, "frames cannot be opened in place", frame: firstIndex)
        }
    }
}
