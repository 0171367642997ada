import Objects
import Testing
import Wire

@testable import Workers

@Suite struct StoreFilesTests {
    @Test(
        "a chunk belongs to the folder of its array",
        arguments: [
            ("t2m/0.1", "t2m"), ("t2m/0/1", "t2m"), ("t2m/c/0/1", "t2m"), ("a/b/c/12", "a/b"), ("0/0.0", "0"),
            ("lat/0", "lat"), ("0.0", ""), ("c/0/1", "c"), ("a/readme", "a"),
        ])
    func arrays(path: String, array: String) { #expect(StoreFiles.array(ofChunk: path) == array) }
}
