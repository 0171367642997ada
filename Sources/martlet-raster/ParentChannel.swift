internal import Glibc
internal import ProductMetadata

/// The node at the other end of standard input and output. Whatever goes wrong there ends this process: without the
/// node there is nothing to do, and nobody to tell.
final class ParentChannel {
    private let input: Int32 = 0
    private let output: Int32

    /// Takes over standard output, and gives what libraries print there to standard error.
    init() {
        output = dup(1)
        guard output >= 0, dup2(2, 1) == 1 else { exit(70) }
    }

    func start() -> RasterProtocol.Start {
        let head = receive(RasterProtocol.Start.headCount)
        guard let lengths = RasterProtocol.Start.lengths(head: head),
            let start = RasterProtocol.Start(head: head, body: receive(lengths.picture + lengths.files))
        else { exit(64) }
        return start
    }

    private func receive(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { receive(into: $0) }
        return bytes
    }

    /// Fetches bytes of a file, which must be within it.
    func fetch(file: Int, offset: UInt64, into target: UnsafeMutableRawBufferPointer) {
        var done = 0
        while done < target.count {
            let count = min(target.count - done, Int(RasterProtocol.requestMax))
            send(
                RasterProtocol.Head.request(
                    file: UInt32(file), offset: offset + UInt64(done), length: UInt32(count)
                ).bytes)
            receive(into: UnsafeMutableRawBufferPointer(rebasing: target[done..<(done + count)]))
            done += count
        }
    }

    func finish(description: [UInt8], preview: [UInt8]) {
        send(RasterProtocol.Head.result(description: UInt64(description.count), preview: UInt32(preview.count)).bytes)
        send(description)
        send(preview)
    }

    private func receive(into target: UnsafeMutableRawBufferPointer) {
        var done = 0
        while done < target.count {
            let count = read(input, target.baseAddress.map { $0 + done }, target.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { exit(74) }
            done += count
        }
    }

    private func send(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { source in
            var done = 0
            while done < source.count {
                let count = write(output, source.baseAddress.map { $0 + done }, source.count - done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { exit(74) }
                done += count
            }
        }
    }
}
