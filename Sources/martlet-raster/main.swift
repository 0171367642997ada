// martlet-raster: looks into one raster, file of arrays or file of features for the node, which sends it the bytes that
// it asks for.
//
// GDAL reads files that strangers made. So it runs here, in a process that holds no key, has no network and opens no
// file but the data files of PROJ and GDAL, and that the node may kill at any time.
internal import CGDAL
internal import Glibc
internal import ProductMetadata
internal import Wire

/// The node shows what stands on standard error.
func complain(_ message: String) {
    let line = Array("martlet-raster: \(message)\n".utf8)
    _ = line.withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
}

let channel = ParentChannel()

guard martlet_limit(20, 1 << 30) == 0 else {
    complain("the resource limits cannot be set")
    exit(71)
}
// Both are a second wall, which not every kernel and container offers: the empty environment, the closed descriptors
// and the limits stand without them.
_ = martlet_leave_network()
do {
    let names = ["PROJ_DATA", "PROJ_LIB", "GDAL_DATA"]
    let folders = names.compactMap { getenv($0).map { String(cString: $0) } } + ["/usr/share/proj", "/usr/share/gdal"]
    let copies = folders.map { strdup($0) }
    var pointers = copies.map { UnsafePointer($0) }
    _ = martlet_leave_files(&pointers, Int32(pointers.count))
    for copy in copies { free(copy) }
}

let start = channel.start()
GDALEnvironment.prepare()
guard let files = VirtualFiles.install(channel: channel, files: start.files) else {
    complain("GDAL takes no virtual file system")
    exit(70)
}

var writer = JSONWriter(capacity: 4096)
var preview: [UInt8] = []
if case .picture(let request) = start.task {
    writer.object { json in
        do throws(BandExpression.Failure) {
            switch try Picture(request, start.files, files).render(&json) {
            case .success(let picture): preview = picture
            case .failure(let reason): json.member("error", reason.message)
            }
        } catch {
            json.member("error", error.description)
        }
    }
} else if let content = Content(files) {
    writer.object { json in
        content.describe(&json)
        if start.task == .describeAndPreview {
            switch content.preview() {
            case .success(let png): preview = png
            case .failure(let reason): json.member("preview_missing", reason.message)
            }
        }
    }
} else {
    writer.object { json in
        json.member("error", GDALEnvironment.lastError ?? "no driver knows the format")
    }
}
channel.finish(description: writer.bytes, preview: preview)
