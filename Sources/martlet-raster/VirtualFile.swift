internal import CGDAL
internal import Glibc

/// The object as the one file of a GDAL virtual file system, `/vsimartlet/object`. No other name opens, so a driver
/// that looks for side files finds none.
final class VirtualFile {
    static let path = "/vsimartlet/object"

    let channel: ParentChannel
    let size: UInt64

    private init(channel: ParentChannel, size: UInt64) {
        self.channel = channel
        self.size = size
    }

    /// Installs the file system, for the life of the process. GDAL buffers reads in blocks of 64 KiB: a header costs
    /// one or two requests.
    static func install(channel: ParentChannel, size: UInt64) -> Bool {
        guard let callbacks = VSIAllocFilesystemPluginCallbacksStruct() else { return false }
        defer { VSIFreeFilesystemPluginCallbacksStruct(callbacks) }
        let file = VirtualFile(channel: channel, size: size)
        callbacks.pointee.pUserData = Unmanaged.passRetained(file).toOpaque()
        callbacks.pointee.nBufferSize = 64 << 10
        callbacks.pointee.nCacheSize = 16 << 20
        callbacks.pointee.stat = { data, name, status, _ in
            guard let file = VirtualFile.at(data), let status, VirtualFile.isObject(name) else { return -1 }
            // VSIStatBufL is glibc's stat64, which on 64-bit machines is its stat.
            var facts = stat()
            facts.st_mode = S_IFREG | 0o400
            facts.st_size = off_t(clamping: file.size)
            UnsafeMutableRawPointer(status).storeBytes(of: facts, as: stat.self)
            return 0
        }
        callbacks.pointee.open = { data, name, access in
            guard let file = VirtualFile.at(data), let access, VirtualFile.isObject(name) else { return nil }
            let mode = String(cString: access)
            guard mode.hasPrefix("r"), !mode.contains("+") else { return nil }
            return Unmanaged.passRetained(OpenFile(file)).toOpaque()
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
        guard let prefix = strdup("/vsimartlet/") else { return false }
        return VSIInstallPluginHandler(prefix, callbacks) == 0
    }

    private static func at(_ data: UnsafeMutableRawPointer?) -> VirtualFile? {
        data.map { Unmanaged<VirtualFile>.fromOpaque($0).takeUnretainedValue() }
    }

    /// GDAL gives the name without the file system's prefix.
    private static func isObject(_ name: UnsafePointer<CChar>?) -> Bool {
        name.map { String(cString: $0) } == "object"
    }
}

/// One opening of the object, with its position.
private final class OpenFile {
    private let file: VirtualFile
    private(set) var position: UInt64 = 0
    /// Whether a read has met the end, as feof(3) tells.
    private(set) var isPastEnd = false

    init(_ file: VirtualFile) { self.file = file }

    static func at(_ handle: UnsafeMutableRawPointer?) -> OpenFile? {
        handle.map { Unmanaged<OpenFile>.fromOpaque($0).takeUnretainedValue() }
    }

    func seek(_ offset: UInt64, _ origin: Int32) -> Int32 {
        switch origin {
        case SEEK_SET: position = offset
        // GDAL passes offsets that go back as their two's complement.
        case SEEK_CUR: position = position &+ offset
        case SEEK_END: position = file.size &+ offset
        default: return -1
        }
        isPastEnd = false
        return 0
    }

    /// Reads items as fread(3) does: only whole ones count.
    func read(_ buffer: UnsafeMutableRawPointer?, _ size: Int, _ count: Int) -> Int {
        let (wanted, overflows) = size.multipliedReportingOverflow(by: count)
        guard let buffer, size > 0, count > 0, !overflows else { return 0 }
        let left = position < file.size ? file.size - position : 0
        let bytes = Int(min(UInt64(wanted), left))
        if bytes > 0 {
            file.channel.fetch(offset: position, into: UnsafeMutableRawBufferPointer(start: buffer, count: bytes))
        }
        position += UInt64(bytes)
        isPastEnd = bytes < wanted
        return bytes / size
    }
}
