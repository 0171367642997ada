/// How the node and `martlet-raster` talk over the child's standard input and output.
///
/// 1. The node sends a `Start`.
/// 2. The child sends requests, each a `Head` of the kind `request`. The node answers with exactly so many bytes, and
///    with nothing around them; where it cannot, it ends the child.
/// 3. The child sends a `Head` of the kind `result`, the description (JSON) and the picture (may be empty), and exits.
///
/// Numbers are big-endian.
package enum RasterProtocol {
    /// The bytes that a request may ask for.
    package static let requestMax: UInt32 = 1 << 20
    package static let descriptionMax: UInt64 = 1 << 20
    package static let previewMax: UInt32 = 20 << 20
    package static let pictureRequestMax: UInt32 = 1 << 20

    /// Files that the child may see, and the bytes of their names, all together.
    package static let filesMax = 10_000
    package static let startMax: UInt32 = 4 << 20

    /// A file that the child may read. The first one is what it is to look into, or lies in the folder that is.
    package struct File: Sendable, Equatable {
        /// What the file is called in the child's own file system: nothing of the object's name but what drivers go by.
        package var name: String
        /// Bytes.
        package var size: UInt64

        package init(name: String, size: UInt64) {
            self.name = name
            self.size = size
        }
    }

    package enum Task: Sendable, Equatable {
        case describe
        case describeAndPreview
        /// A part of one or several rasters as a picture.
        case picture(PictureRequest)
    }

    /// What the child is to do.
    package struct Start: Sendable, Equatable {
        /// What stands before the files: how many bytes they take is its last member.
        package static let headCount = 13
        private static let magic: UInt32 = 0x4D52_5333  // MRS3

        package var files: [File]
        package var task: Task

        package init(files: [File], task: Task) {
            self.files = files
            self.task = task
        }

        /// The lengths of a picture's request and of the files' part, by the head before them; nil for what is no head.
        package static func lengths(head: [UInt8]) -> (picture: Int, files: Int)? {
            guard head.count == headCount, RasterProtocol.number(head[0..<4]) == UInt64(magic), head[4] <= 2 else {
                return nil
            }
            let (picture, files) = (RasterProtocol.number(head[5..<9]), RasterProtocol.number(head[9..<13]))
            guard picture <= UInt64(pictureRequestMax), files <= UInt64(startMax), (head[4] == 2) == (picture > 0)
            else { return nil }
            return (Int(picture), Int(files))
        }

        /// Nil for what does not follow a start's head.
        package init?(head: [UInt8], body: [UInt8]) {
            guard let lengths = Self.lengths(head: head), lengths.picture + lengths.files == body.count else {
                return nil
            }
            var rest = body[lengths.picture...]
            files = []
            switch head[4] {
            case 0: task = .describe
            case 1: task = .describeAndPreview
            default:
                guard let request = PictureRequest(parsing: Array(body[..<lengths.picture])) else { return nil }
                task = .picture(request)
            }
            while !rest.isEmpty {
                guard files.count < RasterProtocol.filesMax, rest.count >= 10 else { return nil }
                let size = RasterProtocol.number(rest.prefix(8))
                let length = Int(RasterProtocol.number(rest.dropFirst(8).prefix(2)))
                rest = rest.dropFirst(10)
                guard rest.count >= length, let name = String(validating: rest.prefix(length), as: UTF8.self) else {
                    return nil
                }
                files.append(File(name: name, size: size))
                rest = rest.dropFirst(length)
            }
            if case .picture = task { return }
            guard !files.isEmpty else { return nil }
        }

        /// Nil where there are too many files, or a name is too long.
        package var bytes: [UInt8]? {
            var (kind, picture): (UInt8, [UInt8]) = (0, [])
            switch task {
            case .describe: break
            case .describeAndPreview: kind = 1
            case .picture(let request): (kind, picture) = (2, request.bytes)
            }
            guard !files.isEmpty || kind == 2, files.count <= RasterProtocol.filesMax else { return nil }
            var list: [UInt8] = []
            for file in files {
                guard let length = UInt16(exactly: file.name.utf8.count) else { return nil }
                list += RasterProtocol.bytes(file.size) + RasterProtocol.bytes(length)
                list += file.name.utf8
            }
            guard list.count <= Int(startMax), picture.count <= Int(pictureRequestMax) else { return nil }
            let lengths = RasterProtocol.bytes(UInt32(picture.count)) + RasterProtocol.bytes(UInt32(list.count))
            return RasterProtocol.bytes(Self.magic) + [kind] + lengths + picture + list
        }
    }

    /// The head of each message that the child sends.
    package enum Head: Sendable, Equatable {
        package static let byteCount = 20
        private static let requestMagic: UInt32 = 0x4D52_5251  // MRRQ
        private static let resultMagic: UInt32 = 0x4D52_5253  // MRRS

        /// Bytes of the file with this index in the start's list.
        case request(file: UInt32, offset: UInt64, length: UInt32)
        /// The bytes of the description and of the preview, which follow.
        case result(description: UInt64, preview: UInt32)

        /// Nil for what no head begins with, and for lengths beyond the limits.
        package init?(_ bytes: [UInt8]) {
            guard bytes.count == Self.byteCount else { return nil }
            let (first, second) = (RasterProtocol.number(bytes[4..<12]), UInt32(RasterProtocol.number(bytes[12..<16])))
            let file = UInt32(RasterProtocol.number(bytes[16..<20]))
            switch UInt32(RasterProtocol.number(bytes[0..<4])) {
            case Self.requestMagic where second > 0 && second <= RasterProtocol.requestMax:
                self = .request(file: file, offset: first, length: second)
            case Self.resultMagic
            where first <= RasterProtocol.descriptionMax && second <= RasterProtocol.previewMax && file == 0:
                self = .result(description: first, preview: second)
            default: return nil
            }
        }

        package var bytes: [UInt8] {
            switch self {
            case .request(let file, let offset, let length):
                RasterProtocol.bytes(Self.requestMagic) + RasterProtocol.bytes(offset) + RasterProtocol.bytes(length)
                    + RasterProtocol.bytes(file)
            case .result(let description, let preview):
                RasterProtocol.bytes(Self.resultMagic) + RasterProtocol.bytes(description)
                    + RasterProtocol.bytes(preview) + RasterProtocol.bytes(UInt32(0))
            }
        }
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.bigEndian) { Array($0) }
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
