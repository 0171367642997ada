package import Wire

/// A picture that `martlet-raster` is to make of one or several rasters: of which bands, where, and in what colours.
package struct PictureRequest: Sendable, Equatable {
    /// One raster, among the files that the child may read.
    package struct Raster: Sendable, Equatable {
        /// What expressions call it.
        package var name: String
        /// The index of its file.
        package var file: Int
        /// The value that stands for nothing; nil for what the file says itself.
        package var nodata: Double?

        package init(name: String, file: Int, nodata: Double? = nil) {
            (self.name, self.file, self.nodata) = (name, file, nodata)
        }
    }

    package enum Format: String, Sendable {
        case png, jpeg
    }

    package enum Resampling: String, Sendable, CaseIterable {
        case nearest, bilinear, cubic, average
    }

    /// Pixels of an edge.
    package static let edgeMax = 2048
    package static let sourcesMax = 16
    package static let rastersMax = 8

    /// The coordinate reference system, as `EPSG:3857`.
    package var crs: String
    /// Least x, least y, greatest x, greatest y.
    package var bounds: [Double]
    package var width: Int
    package var height: Int
    package var format = Format.png
    package var resampling = Resampling.bilinear
    /// What is drawn: where the first has nothing the second shows through, and so on.
    package var sources: [[Raster]]
    /// One for grey or a colour map, three for red, green and blue; none for what the raster itself says.
    package var expressions: [String] = []
    /// The lowest and the highest value of each expression; one counts for all. None: found out of the first source.
    package var rescale: [[Double]] = []
    package var colorMap: ColorMap?

    package init(crs: String, bounds: [Double], width: Int, height: Int, sources: [[Raster]]) {
        (self.crs, self.bounds, self.width, self.height, self.sources) = (crs, bounds, width, height, sources)
    }

    package var bytes: [UInt8] {
        var json = JSONWriter(capacity: 512)
        json.object { json in
            json.member("crs", crs)
            json.key("bounds")
            json.array { json in for number in bounds { json.number(number) } }
            json.member("width", width)
            json.member("height", height)
            json.member("format", format.rawValue)
            json.member("resampling", resampling.rawValue)
            json.key("sources")
            json.array { json in
                for source in sources {
                    json.array { json in
                        for raster in source {
                            json.object { json in
                                json.member("name", raster.name)
                                json.member("file", raster.file)
                                if let nodata = raster.nodata { json.member("nodata", nodata) }
                            }
                        }
                    }
                }
            }
            json.member("expressions", expressions)
            json.key("rescale")
            json.array { json in
                for pair in rescale { json.array { json in for number in pair { json.number(number) } } }
            }
            if let colorMap {
                json.key("colormap")
                colorMap.write(to: &json)
            }
        }
        return json.bytes
    }

    /// Nil for what is no such request.
    package init?(parsing bytes: [UInt8]) {
        guard let json = try? JSONValue(parsing: bytes, maximumDepth: 8), let crs = json["crs"]?.string,
            let bounds = json["bounds"]?.array?.compactMap(\.number), bounds.count == 4,
            let width = json["width"]?.integer, let height = json["height"]?.integer,
            (1...Int64(Self.edgeMax)).contains(width), (1...Int64(Self.edgeMax)).contains(height),
            let format = json["format"]?.string.flatMap(Format.init(rawValue:)),
            let resampling = json["resampling"]?.string.flatMap(Resampling.init(rawValue:))
        else { return nil }
        let sources = (json["sources"]?.array ?? []).map { source in
            (source.array ?? []).compactMap { raster -> Raster? in
                guard let name = raster["name"]?.string, let file = raster["file"]?.integer, file >= 0 else {
                    return nil
                }
                return Raster(name: name, file: Int(file), nodata: raster["nodata"]?.number)
            }
        }
        self.init(crs: crs, bounds: bounds, width: Int(width), height: Int(height), sources: sources)
        (self.format, self.resampling) = (format, resampling)
        expressions = (json["expressions"]?.array ?? []).compactMap(\.string)
        rescale = (json["rescale"]?.array ?? []).map { ($0.array ?? []).compactMap(\.number) }
        guard rescale.allSatisfy({ $0.count == 2 }), sources.count <= Self.sourcesMax,
            sources.allSatisfy({ $0.count <= Self.rastersMax })
        else { return nil }
        if let map = json["colormap"] {
            guard let known = ColorMap(stored: map) else { return nil }
            colorMap = known
        }
    }
}
