private import CEVP

/// Seals one blob, frame after frame (see ``Frames``). Use a key of its own for every blob.
///
/// Sendable by hand: it may be handed from thread to thread between two calls; the caller makes one call at a time.
package final class FrameSealer: @unchecked Sendable {
    private let context: OpaquePointer
    /// The index of the next frame.
    private var index: Int64 = 0
    private var ended = false

    /// Throws `.libraryFailed` if there is no memory for the cipher.
    package init(key: AEADKey) throws(CipherError) {
        let context = key.withUnsafeBytes { cevp_gcm_new($0.baseAddress, 1) }
        guard let context else { throw CipherError(.libraryFailed, "libcrypto has no memory for a cipher") }
        self.context = context
    }

    deinit {
        cevp_gcm_free(context)
    }

    /// Seals whole frames; with `isLast`, the last of them may be short.
    ///
    /// As the last frame is marked and may not be empty (unless the blob is), keep back the newest frame's worth of a
    /// stream until more of it comes or it ends.
    ///
    /// - Parameters:
    ///   - plaintext: a multiple of 64 KiB, or any count with `isLast`; empty with `isLast` only for an empty blob.
    ///   - sealed: where the stored frames go; it must not overlap `plaintext`.
    /// - Returns: the count of bytes written to `sealed`.
    /// - Throws: `.wrongLength` with nothing sealed if a length is wrong, `.invalidParameter` after the last frame or
    ///   if the buffers overlap, `.libraryFailed` with the frame.
    package func seal(
        _ plaintext: UnsafeRawBufferPointer, isLast: Bool, into sealed: UnsafeMutableRawBufferPointer
    ) throws(CipherError) -> Int {
        try checkRoom(plaintext, isLast: isLast, sealed)
        guard let sealedStart = sealed.baseAddress, isLast || !plaintext.isEmpty else { return 0 }
        var read = 0
        var written = 0
        repeat {
            let count = min(Frames.plainSize, plaintext.count - read)
            let nonce = FrameNonce(index: index, isLast: isLast && read + count == plaintext.count)
            let done = nonce.withBytes { nonce in
                cevp_gcm_seal(
                    context, nonce, nil, 0, plaintext.baseAddress.map { $0 + read }, count, sealedStart + written)
            }
            guard done == 1 else { throw failed() }
            index += 1
            read += count
            written += count + Frames.tagSize
        } while read < plaintext.count
        ended = isLast
        return written
    }

    private func checkRoom(
        _ plaintext: UnsafeRawBufferPointer, isLast: Bool, _ sealed: UnsafeMutableRawBufferPointer
    ) throws(CipherError) {
        guard !ended else {
            throw CipherError(.invalidParameter, "the last frame is sealed already; a blob ends there", frame: index)
        }
        if isLast {
            guard !plaintext.isEmpty || index == 0 else {
                throw CipherError(.wrongLength, "the last frame of a blob that is not empty holds a byte", frame: index)
            }
        } else if plaintext.count % Frames.plainSize != 0 {
            throw CipherError(
                .wrongLength,
                "only whole frames of \(Frames.plainSize) bytes come before the last, not \(plaintext.count)",
                frame: index)
        }
        let needed = isLast || !plaintext.isEmpty ? Frames.sealedLength(of: Int64(plaintext.count)) : 0
        guard needed <= sealed.count else {
            throw CipherError(
                .wrongLength, "\(needed) bytes are needed for the frames, not \(sealed.count)", frame: index)
        }
        guard !plaintext.overlaps(sealed) else {
            throw CipherError(.invalidParameter, "frames cannot be sealed in place, for they grow", frame: index)
        }
    }

    private func failed() -> CipherError {
        // What was sealed before stays a prefix that cannot be opened as a whole; no frame may follow it.
        ended = true
        return CipherError(.libraryFailed, "libcrypto could not seal", frame: index)
    }
}

extension UnsafeRawBufferPointer {
    func overlaps(_ other: UnsafeMutableRawBufferPointer) -> Bool {
        guard let start = baseAddress, let otherStart = other.baseAddress else { return false }
        return start < UnsafeRawPointer(otherStart) + other.count && UnsafeRawPointer(otherStart) < start + count
    }
}
