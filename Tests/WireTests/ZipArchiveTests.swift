import Testing
import Wire

@Suite struct ZipArchiveTests {
    /// Bytes of what an archive writes around its members' own, and of these.
    private func written(_ members: [(name: String, size: Int64)]) -> (count: Int64, directory: [UInt8]) {
        var archive = ZipArchive()
        var count: Int64 = 0
        for member in members {
            count += Int64(
                archive.begin(member.name, size: member.size, modified: Timestamp(seconds: 1_600_000_000)).count)
            count += member.size + Int64(archive.end(crc: 1).count)
        }
        let directory = archive.directory()
        return (count + Int64(directory.count), directory)
    }

    @Test(
        "an archive is as long as it was said to be, also where numbers need 64 bits",
        arguments: [
            [], [("a", 0)], [("folder/ü.tif", 5), ("b", 70_000)], [("large", 0xFFFF_FFFE)], [("large", 0xFFFF_FFFF)],
            [("large", 1 << 33), ("behind", 3)], [("a", 3 << 30), ("b", 3 << 30), ("c", 1)],
        ] as [[(name: String, size: Int64)]])
    func length(members: [(name: String, size: Int64)]) {
        #expect(written(members).count == ZipArchive.length(of: members))
    }

    @Test("more members than the first ZIP can count")
    func many() {
        let members = (0..<70_000).map { (name: "\($0)", size: Int64(1)) }
        let (count, directory) = written(members)
        #expect(count == ZipArchive.length(of: members))
        // The record at the very end says that the numbers are in the one before.
        #expect(Array(directory.suffix(22)[directory.count - 14..<directory.count - 10]) == [0xFF, 0xFF, 0xFF, 0xFF])
    }
}
