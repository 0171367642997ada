import ProductMetadata
import Testing

@Suite struct RasterProtocolTests {
    private let offered = RasterProtocol.Start(
        files: [.init(name: "object.shp", size: 1 << 40), .init(name: "object.dbf", size: 0)], task: .describeAndPreview
    )

    private func read(_ bytes: [UInt8]) -> RasterProtocol.Start? {
        let head = Array(bytes.prefix(RasterProtocol.Start.headCount))
        guard let lengths = RasterProtocol.Start.lengths(head: head) else { return nil }
        let body = bytes.dropFirst(head.count).prefix(lengths.picture + lengths.files)
        return RasterProtocol.Start(head: head, body: Array(body))
    }

    @Test("a start is read as it was written")
    func same() throws { #expect(read(try #require(offered.bytes)) == offered) }

    @Test("a start with any byte gone, or none of its files, is refused")
    func cut() throws {
        let bytes = try #require(offered.bytes)
        for count in 0..<bytes.count { #expect(read(Array(bytes.prefix(count))) == nil) }
        #expect(RasterProtocol.Start(files: [], task: .describe).bytes == nil)
        let long = RasterProtocol.File(name: String(repeating: "x", count: 70_000), size: 1)
        #expect(RasterProtocol.Start(files: [long], task: .describe).bytes == nil)
    }

    @Test("heads are read as they were written")
    func heads() {
        for head in [
            RasterProtocol.Head.request(file: 7, offset: .max, length: 1 << 20),
            .result(description: 1 << 20, preview: 0),
        ] {
            #expect(RasterProtocol.Head(head.bytes) == head)
            #expect(head.bytes.count == RasterProtocol.Head.byteCount)
        }
    }

    @Test("heads beyond the limits are none")
    func limits() {
        for head in [
            RasterProtocol.Head.request(file: 0, offset: 0, length: 0),
            .request(file: 0, offset: 0, length: (1 << 20) + 1), .result(description: 1 << 21, preview: 0),
        ] {
            #expect(RasterProtocol.Head(head.bytes) == nil)
        }
        #expect(RasterProtocol.Head([]) == nil)
    }
}
