import ProductMetadata
import TestSupport
import Testing
import Wire

@Suite struct SAFEManifestTests {
    @Test("a Sentinel-1 manifest gives platform, times, orbit, footprint and files")
    func sentinel1() throws {
        let facts = ProductMetadata.safe(try SAFEManifest(parsing: Sample.manifest()))
        #expect(facts.properties["platform"] == "sentinel-1a")
        #expect(facts.properties["constellation"] == "sentinel-1")
        #expect(facts.properties["instruments"] == ["sar"])
        #expect(facts.properties["sat:absolute_orbit"] == 52000)
        #expect(facts.properties["sat:relative_orbit"] == 153)
        #expect(facts.properties["sat:orbit_state"] == "descending")
        #expect(facts.start?.rfc3339 == "2024-01-02T03:04:05.500Z")
        #expect(facts.end?.rfc3339 == "2024-01-02T03:04:30.250Z")
        #expect(facts.bbox == [2, 1, 4, 3])
        #expect(facts.extensions == ["https://stac-extensions.github.io/sat/v1.1.0/schema.json"])
        let file = try #require(facts.files["measurement/a.tiff"])
        #expect(file.size == 123)
        #expect(file.checksum == .init(algorithm: "MD5", hex: "abcdef0123456789abcdef0123456789"))
        #expect(file.roles == ["data"])
        #expect(facts.files["manifest.safe"]?.roles == ["metadata"])
    }

    @Test("a Sentinel-1 manifest gives what the radar did, and each measurement its polarization")
    func radar() throws {
        let path = "measurement/s1a-iw-grd-vh-20240102t030405-20240102t030430-052000-064aaa-002.tiff"
        let facts = ProductMetadata.safe(
            try SAFEManifest(
                parsing: Sample.manifest(
                    files: Sample.file("./" + path),
                    more: """
                        <instrumentMode><mode>IW</mode></instrumentMode>
                        <s:standAloneProductInformation><s:transmitterReceiverPolarisation>VV</s:transmitterReceiverPolarisation>
                        <s:transmitterReceiverPolarisation>VH</s:transmitterReceiverPolarisation>
                        <s:productType>GRD</s:productType><s:productTimelinessCategory>Fast-24h</s:productTimelinessCategory>
                        <s:missionDataTakeID>412330</s:missionDataTakeID></s:standAloneProductInformation>
                        """)))
        #expect(facts.properties["sar:instrument_mode"] == "IW")
        #expect(facts.properties["sar:polarizations"] == ["VV", "VH"])
        #expect(facts.properties["sar:product_type"] == "GRD")
        #expect(facts.properties["sar:frequency_band"] == "C")
        #expect(facts.properties["processing:level"] == "L1")
        #expect(facts.properties["s1:product_timeliness"] == "Fast-24h")
        #expect(facts.extensions.contains("https://stac-extensions.github.io/sar/v1.0.0/schema.json"))
        #expect(facts.files[path]?.bands?.array?.first?["name"] == "VH")
    }

    @Test("a Sentinel-3 manifest gives the product's name, type and clouds")
    func ocean() throws {
        let facts = ProductMetadata.safe(
            try SAFEManifest(
                parsing: Sample.manifest(
                    more: """
                        <s:generalProductInformation><s:productName>S3A_OL_1_EFR____X.SEN3</s:productName>
                        <s:productType>OL_1_EFR___</s:productType><s:timeliness>NR</s:timeliness>
                        <s:creationTime>2024-01-02T05:04:30</s:creationTime></s:generalProductInformation>
                        <s:cloudyPixels value="12" percentage="42.5"/>
                        """)), manifestPath: "xfdumanifest.xml")
        #expect(facts.title == "S3A_OL_1_EFR____X")
        #expect(facts.properties["constellation"] == "sentinel-3")
        #expect(facts.properties["processing:level"] == "L1")
        #expect(facts.properties["eo:cloud_cover"] == 42.5)
        #expect(facts.properties["created"] == "2024-01-02T05:04:30Z")
        #expect(facts.files["xfdumanifest.xml"]?.roles == ["metadata"])
    }

    @Test(
        "a manifest that names files elsewhere is refused",
        arguments: [
            "../other", "/etc/passwd", "a/../../b", "file:///etc/passwd", "", ".", "a//b", "a\\b",
        ])
    func escapes(_ href: String) {
        let error = #expect(throws: ProductMetadataError.self) {
            try SAFEManifest(parsing: Sample.manifest(files: Sample.file(href)))
        }
        #expect(error?.code == .malformed)
    }

    @Test("a manifest without files says what is missing")
    func noFiles() {
        let error = #expect(throws: ProductMetadataError.self) { try SAFEManifest(parsing: Sample.manifest(files: "")) }
        #expect(error?.code == .missing)
        #expect(error?.message.contains("dataObjectSection") == true)
    }

    @Test(
        "a footprint that is none is refused",
        arguments: ["1,2 3", "a,b c,d e,f", "1,2 1,2 1,2", "91,0 0,0 1,1", "nan,0 0,0 1,1"])
    func badFootprint(_ text: String) {
        let error = #expect(throws: ProductMetadataError.self) {
            try SAFEManifest(parsing: Sample.manifest(frame: "<gml:coordinates>\(text)</gml:coordinates>"))
        }
        #expect(error?.code == .malformed)
    }

    @Test("what is no manifest is refused", arguments: ["", "{}", "<a/>", "<!DOCTYPE a><XFDU/>", "<XFDU>"])
    func noManifest(_ text: String) {
        #expect(throws: ProductMetadataError.self) { try SAFEManifest(parsing: Array(text.utf8)) }
    }

    @Test("a file beyond the limit is refused")
    func tooLarge() {
        let error = #expect(throws: ProductMetadataError.self) {
            try SAFEManifest(parsing: [UInt8](repeating: 0x20, count: SAFEManifest.bytesMax + 1))
        }
        #expect(error?.code == .tooLarge)
    }

    @Test(
        "anchors are told by their names",
        arguments: [
            ("x.SAFE/manifest.safe", ProductMetadata.Anchor.safe), ("S3A.SEN3/xfdumanifest.xml", .safe),
            ("LC08_X_MTL.txt", .landsat), ("a/LC08_X_MTL.json", .landsat), ("a/LC08_X_MTL.xml", nil),
            ("notmanifest.safe", nil),
            ("", nil),
        ])
    func anchors(_ path: String, _ anchor: ProductMetadata.Anchor?) {
        #expect(ProductMetadata.anchor(path: path) == anchor)
    }
}

@Suite(.enabled(if: Real.isThere)) struct Sentinel2Tests {
    private func facts(_ product: String, _ metadata: String) throws -> (ItemFacts, SAFEManifest) {
        let manifest = try SAFEManifest(parsing: Real.bytes("\(product)/manifest.safe"))
        let paths = try #require(ProductMetadata.sentinel2Paths(manifest))
        #expect(paths.product == metadata)
        let tile = try #require(paths.tile)
        let facts = try ProductMetadata.sentinel2(
            manifest: manifest, product: Real.bytes("\(product)/\(paths.product)"),
            tile: Real.bytes("\(product)/\(tile)"))
        return (facts, manifest)
    }

    @Test("a Level-2A product across the antimeridian")
    func level2A() throws {
        let (facts, manifest) = try facts(Real.l2a, "MTD_MSIL2A.xml")
        #expect(manifest.files.count == 86)
        #expect(facts.title == "S2A_MSIL2A_20230821T221941_N0509_R029_T01KAB_20230822T021825")
        #expect(facts.datetime?.rfc3339 == "2023-08-21T22:19:41.024Z")
        #expect(facts.start == nil)
        #expect(facts.geometry?["type"] == "MultiPolygon")
        #expect(facts.geometry?["coordinates"]?.array?.count == 2)
        let bbox = try #require(facts.bbox)
        #expect(abs(bbox[0] - 179.2392) < 0.001)
        #expect(abs(bbox[2] + 179.71545) < 0.001)
        let expected: [(String, JSONValue)] = [
            ("platform", "sentinel-2a"), ("constellation", "sentinel-2"), ("instruments", ["msi"]), ("gsd", 10),
            ("eo:cloud_cover", 59.050727), ("processing:level", "L2A"), ("s2:processing_baseline", "05.09"),
            ("s2:mgrs_tile", "01KAB"), ("grid:code", "MGRS-01KAB"), ("proj:code", "EPSG:32701"),
            ("sat:relative_orbit", 29),
            ("sat:orbit_state", "descending"), ("sat:absolute_orbit", 42640), ("view:sun_azimuth", 43.3009058473725),
            ("sci:doi", "10.5270/S2_-znk9xsj"), ("created", "2023-08-22T02:18:25Z"),
            ("s2:nodata_pixel_percentage", 0.0),
        ]
        for (name, value) in expected { #expect(facts.properties[name] == value, "\(name)") }
        #expect(abs((facts.properties["view:sun_elevation"]?.number ?? 0) - 51.5825609938211) < 1e-9)
        for name in ["eo/v2.0.0", "projection/v2.0.0", "view/v1.1.0", "grid/v1.1.0", "sentinel-2/v1.0.0"] {
            #expect(facts.extensions.contains("https://stac-extensions.github.io/\(name)/schema.json"))
        }
    }

    @Test("bands, the true colour image and the preview are told apart")
    func assets() throws {
        let (facts, _) = try facts(Real.l2a, "MTD_MSIL2A.xml")
        let images = "GRANULE/L2A_T01KAB_A042640_20230821T221944/IMG_DATA"
        let red = try #require(facts.files["\(images)/R20m/T01KAB_20230821T221941_B04_20m.jp2"])
        #expect(red.bands == [["name": "B04", "eo:common_name": "red", "eo:center_wavelength": 0.665, "gsd": 20]])
        #expect(red.title == "B04 (red), 20 m")
        #expect(red.mediaType == "image/jp2")
        #expect(red.checksum?.algorithm == "SHA3-256")
        #expect(red.checksum?.hex.count == 64)
        let colour = try #require(facts.files["\(images)/R10m/T01KAB_20230821T221941_TCI_10m.jp2"])
        #expect(colour.roles == ["visual"])
        #expect(colour.bands?.array?.count == 3)
        #expect(facts.files.values.filter { $0.bands != nil }.count == 28)
        #expect(facts.files["MTD_MSIL2A.xml"]?.roles == ["metadata"])
        #expect(facts.files["MTD_MSIL2A.xml"]?.size == 54685)
    }

    @Test("a Level-1C product")
    func level1C() throws {
        let (facts, manifest) = try facts(Real.l1c, "MTD_MSIL1C.xml")
        #expect(manifest.files.count == 97)
        #expect(facts.properties["processing:level"] == "L1C")
        #expect(facts.properties["proj:code"] == "EPSG:32646")
        #expect(facts.properties["eo:cloud_cover"] == 88.2972)
        #expect(facts.geometry?["type"] == "Polygon")
        let bbox = try #require(facts.bbox)
        #expect(bbox[0] > 92.9 && bbox[2] < 93.5 && bbox[1] > 27 && bbox[3] < 28.1)
        let bands = facts.files.values.compactMap(\.bands)
        #expect(bands.count == 14)
    }

    @Test("a tile's metadata in the place of the product's is refused")
    func swapped() throws {
        let manifest = try SAFEManifest(parsing: Real.bytes("\(Real.l2a)/manifest.safe"))
        let error = #expect(throws: ProductMetadataError.self) {
            _ = try ProductMetadata.sentinel2(
                manifest: manifest, product: Real.bytes("\(Real.l2a)/manifest.safe"), tile: nil)
        }
        #expect(error?.code == .unsupported)
    }

    @Test("mutations of the real files never crash", arguments: ["manifest.safe", "MTD_MSIL2A.xml"])
    func mutations(_ name: String) throws {
        var random = SeededGenerator(seed: 7)
        let original = Real.bytes("\(Real.l2a)/\(name)")
        let manifest = try SAFEManifest(parsing: Real.bytes("\(Real.l2a)/manifest.safe"))
        var (read, refused) = (0, 0)
        for _ in 0..<60 {
            let bytes = original.mutated(&random)
            do {
                if name == "manifest.safe" {
                    _ = ProductMetadata.safe(try SAFEManifest(parsing: bytes))
                } else {
                    _ = try ProductMetadata.sentinel2(manifest: manifest, product: bytes, tile: nil)
                }
                read += 1
            } catch {
                refused += 1
            }
        }
        #expect(read > 0)
        #expect(refused > 0)
    }
}
