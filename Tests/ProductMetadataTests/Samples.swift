import Glibc
import TestSupport

/// The files of real products, where there are any.
enum Real {
    static var folder: String {
        getenv("MARTLET_SHARED").map { String(cString: $0) } ?? "/work/shared"
    }

    static let l2a = "S2A_MSIL2A_20230821T221941_N0509_R029_T01KAB_20230822T021825.SAFE"
    static let l1c = "S2A_MSIL1C_20210908T042701_N0301_R133_T46RER_20210908T070248.SAFE"
    static let landsat = "LC08_L2SP_008059_20191201_20200825_02_T1/LC08_L2SP_008059_20191201_20200825_02_T1"

    static var isThere: Bool { access("\(folder)/data/products/\(l2a)/manifest.safe", R_OK) == 0 }

    static func bytes(_ name: String) -> [UInt8] {
        guard let file = fopen("\(folder)/data/products/\(name)", "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
    }
}

/// Small metadata files in the forms of the real ones.
enum Sample {
    static func manifest(
        files: String = file("./measurement/a.tiff"),
        frame: String = "<gml:coordinates>1,2 1,4 3,4 3,2</gml:coordinates>",
        more: String = ""
    ) -> [UInt8] {
        Array(
            """
            <?xml version="1.0"?>
            <xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" xmlns:safe="s" xmlns:gml="g" xmlns:s1="o"
             xmlns:s="p"><metadataSection>
              <metadataObject ID="platform"><metadataWrap><xmlData><safe:platform>
                <safe:familyName>SENTINEL-1</safe:familyName><safe:number>A</safe:number>
                <safe:instrument><safe:familyName abbreviation="SAR">Synthetic Aperture Radar</safe:familyName></safe:instrument>
              </safe:platform></xmlData></metadataWrap></metadataObject>
              <metadataObject ID="acquisitionPeriod"><metadataWrap><xmlData><safe:acquisitionPeriod>
                <safe:startTime>2024-01-02T03:04:05.500000</safe:startTime><safe:stopTime>2024-01-02T03:04:30.250000</safe:stopTime>
              </safe:acquisitionPeriod></xmlData></metadataWrap></metadataObject>
              <metadataObject ID="orbit"><metadataWrap><xmlData><safe:orbitReference>
                <safe:orbitNumber type="stop">52001</safe:orbitNumber><safe:orbitNumber type="start">52000</safe:orbitNumber>
                <safe:relativeOrbitNumber type="start">153</safe:relativeOrbitNumber>
                <safe:extension><s1:orbitProperties><s1:pass>DESCENDING</s1:pass></s1:orbitProperties></safe:extension>
              </safe:orbitReference></xmlData></metadataWrap></metadataObject>
              <metadataObject ID="frame"><metadataWrap><xmlData><safe:frameSet><safe:frame><safe:footPrint>\(frame)</safe:footPrint>
              </safe:frame></safe:frameSet></xmlData></metadataWrap></metadataObject>
              <metadataObject ID="more"><metadataWrap><xmlData>\(more)</xmlData></metadataWrap></metadataObject>
            </metadataSection><dataObjectSection>\(files)</dataObjectSection></xfdu:XFDU>
            """.utf8)
    }

    static func file(_ href: String) -> String {
        """
        <dataObject ID="a"><byteStream mimeType="x" size="123"><fileLocation locatorType="URL" href="\(href)"/>
        <checksum checksumName="MD5">ABCDEF0123456789abcdef0123456789</checksum></byteStream></dataObject>
        """
    }

    static let mtl = """
        GROUP = LANDSAT_METADATA_FILE
          GROUP = PRODUCT_CONTENTS
            LANDSAT_PRODUCT_ID = "LE07_L1TP_001002_20010203_20200917_02_T1"
            PROCESSING_LEVEL = "L1TP"
            COLLECTION_NUMBER = 02
            COLLECTION_CATEGORY = "T1"
            FILE_NAME_BAND_3 = "LE07_L1TP_001002_20010203_20200917_02_T1_B3.TIF"
            FILE_NAME_BAND_6_VCID_1 = "LE07_L1TP_001002_20010203_20200917_02_T1_B6_VCID_1.TIF"
            FILE_NAME_METADATA_ODL = "LE07_L1TP_001002_20010203_20200917_02_T1_MTL.txt"
          END_GROUP = PRODUCT_CONTENTS
          GROUP = IMAGE_ATTRIBUTES
            SPACECRAFT_ID = "LANDSAT_7"
            SENSOR_ID = "ETM"
            WRS_TYPE = 2
            WRS_PATH = 1
            WRS_ROW = 2
            DATE_ACQUIRED = 2001-02-03
            SCENE_CENTER_TIME = 04:05:06.1234567Z
            CLOUD_COVER = -1
            SUN_AZIMUTH = -10.5
          END_GROUP = IMAGE_ATTRIBUTES
          GROUP = PROJECTION_ATTRIBUTES
            MAP_PROJECTION = "UTM"
            UTM_ZONE = 7
            CORNER_UL_LAT_PRODUCT = 2.0
            CORNER_UL_LON_PRODUCT = 10.0
            CORNER_UR_LAT_PRODUCT = 2.0
            CORNER_UR_LON_PRODUCT = 12.0
            CORNER_LL_LAT_PRODUCT = 1.0
            CORNER_LL_LON_PRODUCT = 10.0
            CORNER_LR_LAT_PRODUCT = 1.0
            CORNER_LR_LON_PRODUCT = 12.0
          END_GROUP = PROJECTION_ATTRIBUTES
        END_GROUP = LANDSAT_METADATA_FILE
        END
        """
}

extension [UInt8] {
    /// Changes, drops or doubles a few pieces.
    func mutated(_ random: inout SeededGenerator) -> [UInt8] {
        var bytes = self
        for _ in 0..<Int.random(in: 1...8, using: &random) {
            guard bytes.count > 16 else { break }
            let at = Int.random(in: 0..<(bytes.count - 8), using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.removeSubrange(at..<(at + Int.random(in: 1...8, using: &random)))
            case 2: bytes.insert(contentsOf: bytes[at..<(at + 8)], at: at)
            default: bytes[at] = UInt8(ascii: "<>\"=() 9-.".unicodeScalars.randomElement(using: &random) ?? "<")
            }
        }
        if Int.random(in: 0..<10, using: &random) == 0 {
            bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
        }
        return bytes
    }
}
