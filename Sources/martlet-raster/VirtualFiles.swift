internal import CGDAL
internal import Glibc
internal import ProductMetadata

/// The node's files as a GDAL virtual file system, `/vsimartlet/`. No other name opens, so a driver that looks for side
/// files finds those that the node offers and no others.
final class VirtualFiles {
    static let prefix = "/vsimartlet/"

    /// Where a file's bytes are.
    enum Source {
        /// With the node, by its place in the node's list.
        case node(index: Int, size: UInt64)
        case memory([UInt8])

        var size: UInt64 {
            switch self {
            case .node(_, let size): size
            case .memory(let bytes): UInt64(bytes.count)
            }
        }
    }

    private let channel: ParentChannel
    /// By the names that GDAL is shown.
    private let sources: [String: Source]
    /// What lies in each folder; the top has the empty name.
    private let folders: [String: [String]]
    /// What is looked into.
    let path: String
    /// The first file of the node's list.
    let first: Source

    private init(channel: ParentChannel, files: [RasterProtocol.File]) {
        self.channel = channel
        let shown = ZarrStore.isOne(files) ? ZarrStore(files, channel).sources : Self.sources(files)
        sources = Dictionary(shown, uniquingKeysWith: { first, _ in first })
        var folders: [String: Set<String>] = [:]
        for name in sources.keys {
            var parent = ""
            for part in name.split(separator: "/") {
                folders[parent, default: []].insert(String(part))
                parent += parent.isEmpty ? String(part) : "/\(part)"
            }
        }
        self.folders = folders.mapValues { $0.sorted() }
        path = Self.prefix + (files.first?.name.split(separator: "/").first.map(String.init) ?? "")
        first = files.first.map { .node(index: 0, size: $0.size) } ?? .memory([])
    }

    static func sources(_ files: [RasterProtocol.File]) -> [(String, Source)] {
        files.enumerated().map { ($1.name, .node(index: $0, size: $1.size)) }
    }

    /// Installs the file system, for the life of the process; nil where GDAL does not take it. GDAL buffers reads in
    /// blocks of 64 KiB: a header costs one or two requests.
    static func install(channel: ParentChannel, files: [RasterProtocol.File]) -> VirtualFiles? {
        guard let callbacks = VSIAllocFilesystemPluginCallbacksStruct() else { return nil }
        defer { VSIFreeFilesystemPluginCallbacksStruct(callbacks) }
        let installed = VirtualFiles(channel: channel, files: files)
        callbacks.pointee.pUserData = Unmanaged.passRetained(installed).toOpaque()
        callbacks.pointee.nBufferSize = 64 << 10
        callbacks.pointee.nCacheSize = 16 << 20
        callbacks.pointee.stat = { data, name, status, _ in
            guard let files = VirtualFiles.at(data), let status, let name = VirtualFiles.name(name) else { return -1 }
            // VSIStatBufL is glibc's stat64, which on 64-bit machines is its stat.
            var facts = stat()
            if let source = files.sources[name] {
                facts.st_mode = S_IFREG | 0o400
                facts.st_size = off_t(clamping: source.size)
            } else if files.folders[name] != nil {
                facts.st_mode = S_IFDIR | 0o500
            } else {
                return -1
            }
            UnsafeMutableRawPointer(status).storeBytes(of: facts, as: stat.self)
            return 0
        }
        callbacks.pointee.open = { data, name, access in
            guard let files = VirtualFiles.at(data), let access, let name = VirtualFiles.name(name),
                let source = files.sources[name]
            else { return nil }
            let mode = String(cString: access)
            guard mode.hasPrefix("r"), !mode.contains("+") else { return nil }
            return Unmanaged.passRetained(OpenFile(files, source)).toOpaque()
        }
        callbacks.pointee.read_dir = { data, name, limit in
            guard let files = VirtualFiles.at(data), let name = VirtualFiles.name(name),
                let names = files.folders[name]
            else { return nil }
            var list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
            for name in names.prefix(limit > 0 ? Int(limit) : names.count) { list = CSLAddString(list, name) }
            return list
        }
        callbacks.pointee.tell = { handle in OpenFile.at(handle)?.position ?? 0 }
        callbacks.pointee.seek = { handle, offset, origin in OpenFile.at(handle)?.seek(offset, origin) ?? -1 }
        callbacks.pointee.read = { handle, buffer, size, count in OpenFile.at(handle)?.read(buffer, size, count) ?? 0 }
        callbacks.pointee.eof = { handle in OpenFile.at(handle)?.isPastEnd == true ? 1 : 0 }
        callbacks.pointee.close = { handle in
            if let handle { Unmanaged<OpenFile>.fromOpaque(handle).release() }
            return 0
        }
        // GDAL keeps the pointer, so the text must outlive this call.
        guard let prefix = strdup(prefix), VSIInstallPluginHandler(prefix, callbacks) == 0 else { return nil }
        return installed
    }

    private static func at(_ data: UnsafeMutableRawPointer?) -> VirtualFiles? {
        data.map { Unmanaged<VirtualFiles>.fromOpaque($0).takeUnretainedValue() }
    }

    /// GDAL gives the name without the file system's prefix, a folder's sometimes with a slash at its end.
    private static func name(_ name: UnsafePointer<CChar>?) -> String? {
        name.map { String(cString: $0).split(separator: "/").joined(separator: "/") }
    }

    /// What lies in a folder, which has GDAL's name.
    func names(in folder: String) -> [String] { folders[String(folder.dropFirst(Self.prefix.count))] ?? [] }

    /// The first bytes of the first file.
    func magic(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(min(first.size, UInt64(count))))
        bytes.withUnsafeMutableBytes { fetch(first, offset: 0, into: $0) }
        return bytes
    }

    /// Fetches bytes of a file, which must be within it.
    fileprivate func fetch(_ source: Source, offset: UInt64, into target: UnsafeMutableRawBufferPointer) {
        switch source {
        case .node(let index, _): channel.fetch(file: index, offset: offset, into: target)
        case .memory(let bytes): target.copyBytes(from: bytes[Int(offset)...].prefix(target.count))
        }
    }
}

/// One opening of a file, with its position.
private final class OpenFile {
    private let files: VirtualFiles
    private let source: VirtualFiles.Source
    private(set) var position: UInt64 = 0
    /// Whether a read has met the end, as feof(3) tells.
    private(set) var isPastEnd = false

    init(_ files: VirtualFiles, _ source: VirtualFiles.Source) {
        self.files = files
        self.source = source
    }

    static func at(_ handle: UnsafeMutableRawPointer?) -> OpenFile? {
        handle.map { Unmanaged<OpenFile>.fromOpaque($0).takeUnretainedValue() }
    }

    private var size: UInt64 { source.size }

    func seek(_ offset: UInt64, _ origin: Int32) -> Int32 {
        switch origin {
        case SEEK_SET: position = offset
        // GDAL passes offsets that go back as their two's complement.
        case SEEK_CUR: position = position &+ offset
        case SEEK_END: position = size &+ offset
        default: return -1
        }
        isPastEnd = false
        return 0
    }

    /// Reads items as fread(3) does: only whole ones count.
    func read(_ buffer: UnsafeMutableRawPointer?, _ size: Int, _ count: Int) -> Int {
        let (wanted, overflows) = size.multipliedReportingOverflow(by: count)
        guard let buffer, size > 0, count > 0, !overflows else { return 0 }
        let left = position < self.size ? self.size - position : 0
        let bytes = Int(min(UInt64(wanted), left))
        if bytes > 0 {
            files.fetch(
                source, offset: position, into: UnsafeMutableRawBufferPointer(start: buffer, count: bytes))
        }
        position += UInt64(bytes)
        isPastEnd = bytes < wanted
        return bytes / size
    }
}
